#include "evaluate/compare/choices.h"

#include <algorithm>

#include "baselines/registry.h"
#include "core/config_library.h"
#include "core/error.h"
#include "core/names.h"
#include "evaluate/song_metric.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

fs::path PathThatIsThere(const Config& config, const std::string& key) {
  config.CheckPath(key);
  fs::path path = config.Path(key);
  std::error_code code;
  if (!fs::exists(path, code))
    throw Error::Usage("there is no " + path.string(), config.Where(key),
                       "'" + key + "' must be a file or folder that is there");
  return path;
}

}  // namespace

SongChoice ReadDataset(const Config& config) {
  SongChoice songs;
  std::vector<std::string> layouts;
  for (const ReaderRow& row : ReaderTable()) layouts.emplace_back(row.name);
  songs.layout = config.Choice("layout", "folders", layouts);
  songs.reader.root = PathThatIsThere(config, "root");
  if (config.Has("metadata")) songs.reader.metadata = PathThatIsThere(config, "metadata");
  if (config.Has("splits")) {
    const std::string splits = config.RequiredString("splits");
    songs.reader.splits =
        splits == "original" ? fs::path(splits) : PathThatIsThere(config, "splits");
  }
  songs.reader.valid_fraction = config.NumberIn("valid_fraction", 0, 0, 1);
  songs.reader.seed = static_cast<std::uint64_t>(config.IntegerIn("valid_seed", 0, 0, INT64_MAX));
  if (config.Has("recipe")) {
    const std::string where = config.Where("recipe");
    const fs::path file = where.substr(0, where.rfind(':'));
    songs.recipe =
        FindConfig(config.RequiredString("recipe"), ConfigKind::kRecipe, file.parent_path(), where);
  }
  songs.sample_rate_hz =
      static_cast<int>(config.IntegerIn("sample_rate_hz", songs.sample_rate_hz, 1000, 768'000));
  songs.channels = static_cast<int>(config.IntegerIn("channels", songs.channels, 1, 32));
  return songs;
}

namespace {

void ReadExcerpts(const Config& config, SongChoice& songs) {
  songs.split = config.Choice("split", songs.split, {"train", "valid", "test", kAllSplits});
  if (config.Has("trim_silence")) {
    songs.trim.silence_db = config.NumberIn("trim_silence", -60, -120, 0);
    songs.trim.min_silence_seconds =
        config.NumberIn("min_silence_seconds", songs.trim.min_silence_seconds, 0.1, 30);
  }
  songs.trim.excerpt_seconds = config.NumberIn("excerpt_seconds", 0, 0, 1e6);
  if (config.Has("seed"))
    songs.seed = static_cast<std::uint64_t>(config.IntegerIn("seed", 0, 0, INT64_MAX));
}

}  // namespace

void CheckMethodName(const MethodChoice& method, const std::vector<MethodChoice>& before,
                     const std::string& where) {
  const std::string& name = method.name;
  if (name.empty() || name.starts_with('.') || name.find_first_of("/\\") != name.npos)
    throw Error::Usage("'" + name + "' cannot be the name of a method", where,
                       "it names a folder: write it without slashes and without a dot before it");
  if (std::any_of(before.begin(), before.end(),
                  [&](const MethodChoice& other) { return other.name == name; }))
    throw Error::Usage("two methods are called '" + name + "'", where, "give each its own name");
  if (name == kFloorMethod && method.baseline != kFloorMethod)
    throw Error::Usage("the name 'mixture' belongs to the mixture itself", where,
                       "choose another one");
}

namespace {

MethodChoice ReadMethod(const Config& config, const std::vector<MethodChoice>& before) {
  MethodChoice method;
  method.name = config.RequiredString("name");
  if (config.Has("model") == config.Has("baseline"))
    throw Error::Usage("the method '" + method.name + "' needs either `model` or `baseline`",
                       config.Where(),
                       "model: a model file, a run or a checkpoint; baseline: " +
                           JoinNames(BaselineTable(), ", ", &BaselineRow::name));
  if (config.Has("model")) {
    method.model = PathThatIsThere(config, "model");
    if (config.Has("manifest")) method.manifest = PathThatIsThere(config, "manifest");
    if (config.Has("overlap")) method.overlap = config.NumberIn("overlap", 0.25, 0, 0.99);
  } else {
    method.baseline = config.RequiredString("baseline");
    const BaselineRow& row =
        FindRow(BaselineTable(), method.baseline, "classical method", config.Where("baseline"));
    method.settings = config.Child("settings");
    MakeBaseline(row, method.settings);  // so that faults have their line, before long work
  }
  CheckMethodName(method, before, config.Where("name"));
  return method;
}

EvaluationOptions ReadEvaluation(const Config& config) {
  EvaluationOptions options;
  options.song_metrics =
      ChosenSongMetrics(config.Strings("metrics", options.song_metrics), config.Where("metrics"));
  options.window_seconds = config.NumberIn("window_seconds", options.window_seconds, 0, 3600);
  options.hop_seconds = config.NumberIn("hop_seconds", options.hop_seconds, 0.01, 3600);
  options.filters_per_window = config.IntegerIn("bss_eval", 4, 3, 4) == 3;
  return options;
}

CompareChoices ReadMethodsAndFigures(const Config& config, SongChoice songs,
                                     std::vector<MethodChoice> methods) {
  CompareChoices choices{.songs = std::move(songs), .methods = std::move(methods)};
  for (const Config& item : config.List("methods"))
    choices.methods.push_back(ReadMethod(item, choices.methods));
  if (choices.methods.empty())
    throw Error::Usage("there is no method to compare", config.Where("methods"),
                       "methods: [{name: bands, baseline: bands}]");
  choices.evaluation = ReadEvaluation(config);
  const Config report = config.Child("report");
  choices.excerpts.songs =
      static_cast<int>(report.IntegerIn("songs", choices.excerpts.songs, 0, 20));
  choices.excerpts.seconds = report.NumberIn("seconds", choices.excerpts.seconds, 1, 60);
  if (std::none_of(choices.methods.begin(), choices.methods.end(),
                   [](const MethodChoice& method) { return method.name == kFloorMethod; }))
    choices.methods.push_back({.name = kFloorMethod, .baseline = kFloorMethod});
  return choices;
}

}  // namespace

CompareChoices ReadCompareChoices(const Config& config) {
  if (!config.Has("songs"))
    throw Error::Usage("the key 'songs' is missing", config.Where(),
                       "songs: {layout: folders, root: DIR}");
  const Config songs = config.Child("songs");
  SongChoice choice = ReadDataset(songs);
  choice.split = "test";
  ReadExcerpts(songs, choice);
  CompareChoices choices = ReadMethodsAndFigures(config, std::move(choice), {});
  config.CheckAllRead();
  return choices;
}

CompareChoices ReadCompareChoices(const Config& config, SongChoice dataset,
                                  std::vector<MethodChoice> methods) {
  ReadExcerpts(config, dataset);
  return ReadMethodsAndFigures(config, std::move(dataset), std::move(methods));
}

}  // namespace stemsmith
