#include "apps/engine_options.h"

#include <cstdlib>

#include "catalogue/local_copies.h"
#include "core/names.h"
#include "core/text.h"
#include "separate/manifest.h"

namespace stemsmith {
namespace {

template <typename Choice>
void AddChoice(CLI::App& app, const std::string& name, const std::string& kind, Choice& choice,
               const std::string& description) {
  const auto& rows = NamesOf(choice);
  app.add_option_function<std::string>(
         name,
         [&choice, name, kind](const std::string& text) {
           choice = FindRow(NamesOf(choice), text, kind, name).value;
         },
         description + ": " + JoinNames(rows, ", ", [](const auto& row) { return row.name; }))
      ->type_name(kind == "engine" ? "ENGINE" : "PRECISION")
      ->default_function([&choice] { return std::string(NameOf(choice)); })
      ->capture_default_str();
}

}  // namespace

void AddEngine(CLI::App& app, RuntimeOptions& options) {
  AddChoice(app, "--engine", "engine", options.engine, "What runs the model");
  AddChoice(app, "--precision", "precision", options.precision,
            "Numbers to compute in; fewer bits are faster and less exact");
}

void UseCompiledCache(RuntimeOptions& options) {
  if (const char* chosen = std::getenv("STEMSMITH_COMPILED_MODELS")) {
    options.cache_folder = chosen;
  } else if (const auto folder = UserFolder("XDG_CACHE_HOME", ".cache"); !folder.empty()) {
    options.cache_folder = folder / "stemsmith";
  }
}

std::string PrecisionNote(const Runtime& runtime) {
  const Precision precision = runtime.precision();
  if (precision == Precision::kFloat32) return "";
  const std::string name = NameOf(precision);
  const nlohmann::json& measured = runtime.manifest().precisions;
  if (measured.is_object() && measured.contains(name) && measured[name].contains("snr_db") &&
      measured[name]["snr_db"].is_number())
    return name + Formatted(": the stems are those of float32 to %.1f dB, as measured at export",
                            measured[name]["snr_db"].get<double>());
  return name + ": how far the stems are from those of float32 was not measured at export";
}

}  // namespace stemsmith
