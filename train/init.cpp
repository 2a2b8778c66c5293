#include "train/init.h"

#include <algorithm>
#include <set>
#include <string>

#include "core/error.h"
#include "core/file_content.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"
#include "models/model_cost.h"
#include "models/state_fit.h"
#include "models/weights/state_prefix.h"
#include "train/options.h"

namespace stemsmith {
namespace {

// The number of `stem` among `stems`; -1: it is none of them.
int PlaceOf(const std::string& stem, const std::vector<std::string>& stems) {
  const auto found = std::find(stems.begin(), stems.end(), stem);
  return found == stems.end() ? -1 : static_cast<int>(found - stems.begin());
}

// As PlaceOf, of a stem that init.copy names; a misspelt one is an error.
int PlaceOfCopied(const std::string& stem, const std::vector<std::string>& stems,
                  const std::string& owner, const std::string& where) {
  const int place = PlaceOf(stem, stems);
  if (place < 0 && !NearestName(stem, stems).empty())
    RequireName(stem, stems, "init.copy: " + owner + " has no stem '" + stem + "'", where);
  return place;
}

// What is told at other places than the model's configuration: how long segments are (training says
// it), how much models of a bag count for a stem.
bool IsModelsOwn(const std::string& key) {
  const std::string last = key.substr(key.rfind('.') + 1);
  return last != "segment" && key.find("weights.") == std::string::npos;
}

}  // namespace

InitOptions ReadInitOptions(const Config& config) {
  InitOptions options;
  options.place = config.Where("init");
  if (config.Has("init") && !config.Value("init").IsMap()) {
    options.file = config.Path("init");
    return options;
  }
  const Config init = config.Child("init");
  if (init.Keys().empty()) return options;
  options.file = init.Path("file");
  options.stems = init.Strings("stems");
  const std::set<std::string> different(options.stems.begin(), options.stems.end());
  if (different.size() != options.stems.size())
    throw Error::Usage("init.stems names a stem twice", init.Where("stems"), "name each once");
  options.partial = init.Bool("partial", false);
  const Config copy = init.Child("copy");
  for (const std::string& stem : copy.Keys())
    options.copy.emplace_back(stem, copy.RequiredString(stem));
  return options;
}

std::unique_ptr<StartWeights> StartWeights::Read(const Config& config, const ModelSetting& setting,
                                                 const Listener& warn) {
  InitOptions options = ReadInitOptions(config);
  if (options.file.empty()) return nullptr;
  const bool short_form = !config.Value("init").IsMap();
  (short_form ? config : config.Child("init")).CheckPath(short_form ? "init" : "file");
  std::unique_ptr<StartWeights> start(new StartWeights(std::move(options)));
  start->ReadFile(warn);
  start->CheckSetting(setting);
  start->ChooseSources(setting.stems);
  if (config.Has("lora")) start->RequireSources(setting.stems);
  start->ChooseModel(config, setting);
  return start;
}

void StartWeights::ReadFile(const Listener& warn) {
  options_.file = ResolveCheckpoint(options_.file);
  const std::string where = options_.file.string();
  const std::string import =
      "turn it into a checkpoint first: stemsmith import " + where + " --out DIR";
  if (ContentOf(options_.file) != FileContent::kWeights)  // weights alone may do
    CheckContent(options_.file, FileUse::kStartWeights);
  if (options_.file.extension() != ".safetensors")
    throw Error::Input("init takes runs, checkpoints and .safetensors files", where, import);
  SafetensorsFile file = LoadSafetensors(options_.file);
  for (const auto& [key, value] : file.metadata)
    if (key == "klass") throw Error::Input("a package of Demucs, no checkpoint", where, import);
  bare_ = !IsCheckpoint(file);
  if (bare_) {
    if (options_.stems.empty())
      throw Error::Usage("the file does not say which stems its weights were trained for", where,
                         "name them in their order: init: {file: …, stems: [drums, …]}");
    checkpoint_.weights = std::move(file.tensors);
    checkpoint_.setting.stems = options_.stems;
    return;
  }
  checkpoint_ = CheckpointOf(std::move(file), options_.file, warn);
  checkpoint_.training.clear();
  if (!options_.stems.empty() && options_.stems != checkpoint_.setting.stems)
    throw Error::Usage(
        "init.stems contradicts the file, whose stems are " + JoinNames(checkpoint_.setting.stems),
        options_.place, "leave it out");
}

void StartWeights::CheckSetting(const ModelSetting& setting) const {
  if (bare_) return;
  const ModelSetting& own = checkpoint_.setting;
  if (own.sample_rate_hz != setting.sample_rate_hz)
    throw Error::Input(
        "the weights are for " + std::to_string(own.sample_rate_hz) + " Hz, the cache holds " +
            std::to_string(setting.sample_rate_hz) + " Hz",
        options_.file.string(),
        "prepare the cache with " + Option("sample-rate", std::to_string(own.sample_rate_hz)));
  if (own.channels != setting.channels)
    throw Error::Input(
        "the weights are for " + std::to_string(own.channels) + " channels, the cache holds " +
            std::to_string(setting.channels),
        options_.file.string(),
        "prepare the cache with " + Option("channels", std::to_string(own.channels)));
}

void StartWeights::ChooseSources(const std::vector<std::string>& stems) {
  const std::vector<std::string>& own = checkpoint_.setting.stems;
  for (const std::string& stem : stems) sources_.push_back(PlaceOf(stem, own));
  for (const auto& [stem, source] : options_.copy) {
    const int place = PlaceOfCopied(stem, stems, "the cache", options_.place);
    const int from = PlaceOfCopied(source, own, "the file", options_.place);
    if (place >= 0 && from >= 0) {
      sources_[static_cast<std::size_t>(place)] = from;
      continue;
    }
    messages_.push_back("init.copy: {" + stem + ": " + source + "} does nothing: " +
                        (place < 0 ? "the cache has no stem '" + stem + "'"
                                   : "the file has no stem '" + source + "'"));
  }
  std::string text;
  for (std::size_t s = 0; s < stems.size(); ++s) {
    text += (s == 0 ? "" : ", ") + stems[s];
    if (sources_[s] < 0) {
      text += " from scratch";
    } else {
      const std::string& source = own[static_cast<std::size_t>(sources_[s])];
      text += source == stems[s] ? " kept" : " as " + source;
    }
  }
  messages_.push_back("starting from " + options_.file.string() + ": " + text);
}

void StartWeights::RequireSources(const std::vector<std::string>& stems) const {
  for (std::size_t s = 0; s < stems.size(); ++s)
    if (sources_[s] < 0)
      throw Error::Usage("the stem '" + stems[s] +
                             "' starts from scratch, which adapters beside frozen layers cannot train",
                         options_.place,
                         "start it as a stem of the file: init: {file: …, copy: {" + stems[s] + ": " +
                             checkpoint_.setting.stems.front() + "}}, or train without lora");
}

void StartWeights::ChooseModel(const Config& config, const ModelSetting& setting) {
  if (bare_) {
    if (config.Has("model")) return;
    throw Error::Usage("the file does not say which model its weights belong to",
                       options_.file.string(), "say it with `model:`");
  }
  // Building both fills their defaults in.
  const Config own =
      Config::Parse(checkpoint_.model_config, "the model of " + options_.file.string());
  StateShapes(own, checkpoint_.setting);
  if (!config.Has("model")) {
    model_ = ModelForStems(own, sources_);
    return;
  }
  const Config model = config.Child("model");
  StateShapes(model, setting);
  std::vector<std::string> changes;
  for (const ConfigChange& change : ConfigChanges(own.Dump(), model.Dump(), model.Dump()))
    if (IsModelsOwn(change.key)) changes.push_back(change.Text());
  if (changes.empty()) return;
  const std::string text = "`model:` is not the model of the weights: " + JoinNames(changes);
  if (!options_.partial)
    throw Error::Usage(text, model.Where(),
                       "leave `model:` out to take that of " + options_.file.string() +
                           ", or keep what fits with init: {file: …, partial: true}");
  messages_.push_back(text);
}

Config StartWeights::WithModel(const Config& config) const {
  return config.WithDefault("model", model_);
}

void StartWeights::Fill(const Config& config, SeparationModel& model) {
  std::string about;
  if (bare_) {
    ChosenState chosen = ChooseState(checkpoint_.weights, model.StateDict());
    checkpoint_.weights = std::move(chosen.state);
    about = chosen.Sight();
    if (!chosen.Note().empty()) messages_.push_back(chosen.Note());
  }
  const NamedTensors moved =
      MoveStems(checkpoint_.weights, checkpoint_.setting.stems, sources_, config, model);
  const StateFit fit = FillState(moved, model.StateDict(), options_.partial, "init.partial: true",
                                 options_.file.string(), about);
  if (!fit.fits()) messages_.push_back("left as initialised or left out: " + fit.Text(8));
}

Config WithModelOfRun(const Config& config, const std::filesystem::path& run) {
  const std::filesystem::path resolved = run / "config.yaml";
  std::error_code code;
  if (ReadInitOptions(config).file.empty() || config.Has("model") ||
      !std::filesystem::exists(resolved, code))
    return config;
  return config.WithDefault("model", Config::Load(resolved).Child("model"));
}

}  // namespace stemsmith
