// `stemsmith models`: the table of models with the size of their default configuration.
#include <iomanip>
#include <sstream>

#include "models/separation_model.h"
#include "tools/stemsmith/commands.h"

namespace stemsmith {
namespace {

// "1.66 M"
std::string FormatCount(std::int64_t count) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(2) << static_cast<double>(count) * 1e-6 << " M";
  return out.str();
}

void ListModels(OutputMode mode) {
  ModelSetting setting;
  setting.stems = {"drums", "bass", "other", "vocals"};
  nlohmann::json models = nlohmann::json::array();
  std::ostringstream text;
  text << "Models (parameters of the default configuration for 4 stereo stems):\n";
  for (const ModelRow& row : ModelTable()) {
    const auto model =
        MakeModel(Config::Parse(std::string("name: ") + row.name, row.name), setting);
    std::int64_t parameters = 0;
    for (const auto& parameter : model->parameters()) parameters += parameter.numel();
    models.push_back({{"name", row.name},
                      {"summary", row.summary},
                      {"parameters", parameters},
                      {"dynamic_time", row.dynamic_time},
                      {"length_multiple_frames", model->length_rule().multiple_frames}});
    text << "  " << std::left << std::setw(12) << row.name << std::right << std::setw(10)
         << FormatCount(parameters) << "  " << (row.dynamic_time ? "any length  " : "fixed length")
         << "  " << row.summary << '\n';
  }
  text << "Options of each: configs/models/NAME.yaml";
  PrintResult(mode, text.str(), {{"models", models}});
}

}  // namespace

void AddModelsCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("models", "List the models");
  auto mode = std::make_shared<OutputMode>(OutputMode::kAuto);
  AddOutputFlags(*command, *mode);
  command->callback([mode] { ListModels(*mode); });
}

}  // namespace stemsmith
