#include "apps/stemsmith/run_choices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "baselines/forest_options.h"
#include "baselines/registry.h"
#include "core/config_library.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/names.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// The file that a line of a configuration stands in: "mine.yaml:12".
fs::path FileOf(const std::string& where) { return where.substr(0, where.rfind(':')); }

std::vector<std::string> FittedMethods() {
  std::vector<std::string> names;
  for (const BaselineRow& row : BaselineTable())
    if (row.needs_fit) names.emplace_back(row.name);
  return names;
}

RunModel ReadModel(const Config& config, const std::vector<RunModel>& before) {
  RunModel model;
  model.name = config.RequiredString("name");
  std::vector<MethodChoice> methods;
  for (const RunModel& other : before) methods.push_back({.name = other.name});
  CheckMethodName({.name = model.name}, methods, config.Where("name"));
  if (config.Has("train") == config.Has("fit"))
    throw Error::Usage("the model '" + model.name + "' needs either `train` or `fit`",
                       config.Where(),
                       "train: a training configuration; fit: a classical method that learns, " +
                           JoinNames(FittedMethods()));
  if (config.Has("fit")) {
    model.fit = config.RequiredString("fit");
    RequireName(model.fit, FittedMethods(), "'" + model.fit + "' is no method that learns",
                config.Where("fit"));
    model.settings = config.Child("settings");
    ReadForestOptions(model.settings);
    return model;
  }
  // Beside this configuration, or from the current folder, or shipped.
  const std::string train = config.RequiredString("train"), where = config.Where("train");
  const fs::path beside = FileOf(where).parent_path();
  std::error_code code;
  model.config = FindConfig(train, ConfigKind::kTraining,
                            fs::is_regular_file(beside / train, code) ? beside : fs::path());
  CheckContent(model.config, FileUse::kTrainConfig);
  model.changes = config.Strings("set");
  for (const std::string& change : model.changes)
    if (change.starts_with("dataset.cache"))
      throw Error::Usage("the cache of a model is that of the songs", config.Where("set"),
                         "leave dataset.cache out");
  model.formats = config.Strings("formats", {"torchscript", "onnx"});
  for (const std::string& format : model.formats)
    RequireName(format, std::vector<std::string>{"torchscript", "onnx"},
                "there is no format '" + format + "'", config.Where("formats"));
  if (model.formats.empty())
    throw Error::Usage("a model is exported in at least one format", config.Where("formats"),
                       "formats: [onnx]");
  return model;
}

}  // namespace

RunChoices ReadRunChoices(const Config& config) {
  RunChoices choices;
  for (const char* key : {"songs", "models"}) {
    if (config.Has(key)) continue;
    for (const std::string& other : config.Keys())  // a misspelt one
      RequireName(other, std::vector<std::string>{"songs", "models", "doctor", "compare"},
                  "unknown key '" + other + "'", config.Where(other));
    throw Error::Usage(std::string("the key '") + key + "' is missing", config.Where(),
                       "songs: {layout: folders, root: DIR}, models: [{name: mine, train: "
                       "demo_unet}]");
  }
  choices.dataset = ReadDataset(config.Child("songs"));
  const std::string rule = config.Choice("doctor", "stop", {"stop", "warn", "off"});
  choices.doctor = rule == "warn"  ? DoctorRule::kWarn
                   : rule == "off" ? DoctorRule::kOff
                                   : DoctorRule::kStop;
  for (const Config& item : config.List("models"))
    choices.models.push_back(ReadModel(item, choices.models));
  if (choices.models.empty())
    throw Error::Usage("there is no model to train", config.Where("models"),
                       "models: [{name: mine, train: demo_unet}]");
  choices.compare = config.Child("compare");
  CompareChoicesOf(choices, "models", {"test"});
  config.CheckAllRead();
  return choices;
}

Config TrainingOf(const RunModel& model, const fs::path& cache) {
  std::vector<std::string> changes = model.changes;
  // As JSON text, which YAML reads as it stands.
  if (!cache.empty())
    changes.push_back("dataset.cache=" + nlohmann::json(fs::absolute(cache).string()).dump());
  return Config::Load(model.config, changes);
}

CompareChoices CompareChoicesOf(const RunChoices& choices, const fs::path& folder,
                                const std::vector<std::string>& splits) {
  SongChoice songs = choices.dataset;
  songs.split = std::find(splits.begin(), splits.end(), "test") != splits.end() ? "test" : "valid";
  std::vector<MethodChoice> methods;
  for (const RunModel& model : choices.models) {
    MethodChoice& method = methods.emplace_back();
    method.name = model.name;
    method.baseline = model.fit;
    if (model.fit.empty()) {
      method.model = folder / model.name;
      continue;
    }
    const std::string file = fs::absolute(folder / model.name / kFittedFile).string();
    const std::string settings =
        model.settings.Keys().empty() ? "" : model.settings.Dump(false) + "\n";
    method.settings = Config::Parse(settings + "model: " + nlohmann::json(file).dump() + "\n",
                                    model.settings.Where());
  }
  return ReadCompareChoices(choices.compare, std::move(songs), std::move(methods));
}

}  // namespace stemsmith
