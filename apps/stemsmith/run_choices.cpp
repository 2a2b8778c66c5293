#include "apps/stemsmith/run_choices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/config_library.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/names.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// The file that a line of a configuration stands in: "mine.yaml:12".
fs::path FileOf(const std::string& where) { return where.substr(0, where.rfind(':')); }

RunModel ReadModel(const Config& config, const std::vector<RunModel>& before) {
  RunModel model;
  model.name = config.RequiredString("name");
  std::vector<MethodChoice> methods;
  for (const RunModel& other : before) methods.push_back({.name = other.name});
  CheckMethodName({.name = model.name}, methods, config.Where("name"));
  // Beside this configuration, or from the current folder, or shipped.
  const std::string train = config.RequiredString("train"), where = config.Where("train");
  const fs::path beside = FileOf(where).parent_path();
  std::error_code code;
  model.config = FindConfig(train, ConfigKind::kTraining,
                            fs::is_regular_file(beside / train, code) ? beside : fs::path());
  CheckContent(model.config, FileUse::kTrainConfig);
  model.settings = config.Strings("set");
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
  for (const char* key : {"songs", "models"})
    if (!config.Has(key))
      throw Error::Usage(std::string("the key '") + key + "' is missing", config.Where(),
                         "songs: {layout: folders, root: DIR}, models: [{name: mine, train: "
                         "demo_unet}]");
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
  std::vector<std::string> settings = model.settings;
  // As JSON text, which YAML reads as it stands.
  if (!cache.empty())
    settings.push_back("dataset.cache=" + nlohmann::json(fs::absolute(cache).string()).dump());
  return Config::Load(model.config, settings);
}

CompareChoices CompareChoicesOf(const RunChoices& choices, const fs::path& folder,
                                const std::vector<std::string>& splits) {
  SongChoice songs = choices.dataset;
  songs.split = std::find(splits.begin(), splits.end(), "test") != splits.end() ? "test" : "valid";
  std::vector<MethodChoice> methods;
  for (const RunModel& model : choices.models)
    methods.push_back({.name = model.name, .model = folder / model.name});
  return ReadCompareChoices(choices.compare, std::move(songs), std::move(methods));
}

}  // namespace stemsmith
