// `stemsmith models`: the table of models with what their default configurations cost.
#include <algorithm>
#include <cmath>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/store_model.h"
#include "catalogue/local_copies.h"
#include "catalogue/model_store.h"
#include "core/text.h"
#include "models/model_cost.h"

namespace stemsmith {
namespace {

struct ModelsArguments {
  double segment_seconds = 6;
  std::int64_t batch_size = 4;
  bool catalogue = false;
  std::filesystem::path catalogue_file;
  OutputMode mode = OutputMode::kAuto;
};

void ListModels(const ModelsArguments& arguments) {
  ModelSetting setting;
  setting.stems = {"drums", "bass", "other", "vocals"};
  const double rate = setting.sample_rate_hz;
  nlohmann::json models = nlohmann::json::array();
  std::string text = Formatted(
      "Models (default configurations, 4 stereo stems, segments of %g s, batches of %lld)\n"
      "  %-17s %10s %9s %15s %9s %9s  %s\n",
      arguments.segment_seconds, static_cast<long long>(arguments.batch_size), "", "parameters",
      "MACs/s", "looks at", "inference", "training", "length");
  for (const ModelRow& row : ModelTable()) {
    const Config config = Config::Parse(std::string("name: ") + row.name, row.name);
    const ModelCost cost = MeasureCost(
        config, setting, std::llround(arguments.segment_seconds * rate), arguments.batch_size);
    const double macs_per_second = cost.macs * rate / static_cast<double>(cost.frames);
    const std::string field = cost.receptive_field_frames == 0
                                  ? "whole segment"
                                  : std::to_string(cost.receptive_field_frames) + " frames";
    text += Formatted("  %-17s %10s %9s %15s %9s %9s  %s\n", row.name,
                      Formatted("%.2f M", static_cast<double>(cost.parameters) * 1e-6).c_str(),
                      Formatted("%.2f G", macs_per_second * 1e-9).c_str(), field.c_str(),
                      FormatBytes(static_cast<double>(cost.inference_bytes)).c_str(),
                      FormatBytes(static_cast<double>(cost.training_bytes)).c_str(),
                      cost.length_rule.dynamic ? "any" : "fixed");
    nlohmann::json field_json = nullptr;
    if (cost.receptive_field_frames > 0) field_json = cost.receptive_field_frames;
    models.push_back({{"name", row.name},
                      {"summary", row.summary},
                      {"parameters", cost.parameters},
                      {"macs_per_second", macs_per_second},
                      {"receptive_field_frames", field_json},
                      {"segment_frames", cost.frames},
                      {"batch_size", arguments.batch_size},
                      {"inference_bytes", cost.inference_bytes},
                      {"training_bytes", cost.training_bytes},
                      {"dynamic_time", cost.length_rule.dynamic}});
  }
  for (const ModelRow& row : ModelTable()) {
    text += Formatted("  %-17s %s\n", row.name, row.summary);
  }
  text +=
      "MACs: multiply-accumulates per second of audio, without Fourier transforms. Memory is "
      "estimated: inference of one segment, training of a batch with Adam.\n"
      "Options of each: configs/models/NAME.yaml";
  PrintResult(arguments.mode, text, {{"models", models}});
}

// Published models, and the user's own.
void ListCatalogue(const ModelsArguments& arguments) {
  WarnOfRelativeFolders({"XDG_DATA_HOME"}, Warn);
  const Catalogue catalogue = ChooseCatalogue(arguments.catalogue_file);
  const std::vector<StoredModel> stored = StoredModels(Warn);
  const auto is_stored = [&](const std::string& name) {
    return std::any_of(stored.begin(), stored.end(),
                       [&](const StoredModel& model) { return model.name == name; });
  };
  std::string text = "Published models (* is here; stemsmith download NAME brings one)\n";
  nlohmann::json rows = CatalogueToJson(catalogue);
  for (std::size_t i = 0; i < catalogue.size(); ++i) {
    const CatalogueRow& row = catalogue[i];
    rows[i]["installed"] = is_stored(row.name);
    text += Formatted("%c %-12s %s\n", is_stored(row.name) ? '*' : ' ', row.name.c_str(),
                      row.summary.c_str());
    if (!row.unsupported.empty()) {
      text += "               not supported: " + row.unsupported +
              (row.instead.empty() ? "" : "; take " + row.instead) + "\n";
      continue;
    }
    text += "               " + JoinNames(row.stems) + "; licence: " + row.licence + "\n";
    if (row.sdr_db)
      text += Formatted("               SDR %.2f dB (%s)\n", *row.sdr_db, row.sdr_metric.c_str());
  }
  nlohmann::json own = nlohmann::json::array();
  for (const StoredModel& model : stored) {
    if (FindInCatalogue(catalogue, model.name) != nullptr) continue;
    own.push_back({{"name", model.name}, {"model", model.file.string()}, {"entry", model.entry}});
    text += (own.size() == 1 ? "Your own\n" : "") +
            Formatted("* %-12s %s\n", model.name.c_str(), model.file.c_str());
  }
  text += "They lie in " + ModelsFolder().string();
  PrintResult(arguments.mode, text, {{"catalogue", rows}, {"registered", own}});
}

}  // namespace

void AddModelsCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "models",
      "List the models that can be trained and what they cost, or those that can be downloaded");
  auto arguments = std::make_shared<ModelsArguments>();
  AddNumber(*command, "--segment-seconds", arguments->segment_seconds, {0.01, 600},
            "Length that memory is estimated for")
      ->capture_default_str();
  AddNumber(*command, "--batch-size", arguments->batch_size, {1, 4096},
            "Training batch, the same way")
      ->capture_default_str();
  command->add_flag("--catalogue", arguments->catalogue,
                    "List published models, which `stemsmith download` brings, and your own");
  command
      ->add_option("--catalogue-file", arguments->catalogue_file,
                   "A catalogue of your own (YAML) instead of the shipped one")
      ->check(IsNotEmpty);
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] {
    arguments->catalogue || !arguments->catalogue_file.empty() ? ListCatalogue(*arguments)
                                                               : ListModels(*arguments);
  });
}

}  // namespace stemsmith
