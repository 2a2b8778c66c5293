// The `separate` program: stems of songs, from an exported model alone.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <set>

#include "apps/checked_options.h"
#include "apps/command_line.h"
#include "apps/output.h"
#include "apps/separate/chain_file.h"
#include "apps/separate/download_model.h"
#include "apps/separate/model_choice.h"
#include "apps/separate/settings.h"
#include "apps/separate_songs.h"
#include "apps/terminal.h"
#include "catalogue/local_copies.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "core/text.h"
#include "separate/inputs.h"
#include "separate/separator.h"
#include "separate/song_overlap_add.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::vector<std::string> words;  // the model and the songs
  std::vector<std::string> models;
  std::string default_model, chain;
  bool download = false;
  SongsArguments songs;
  std::optional<double> overlap, segment_seconds;
  std::string overlap_style, window;
  std::optional<int> batch;
  PassOptions passes;
  EnsembleOptions ensemble;
  int wiener = 0;
  RuntimeOptions runtime = {.warn = Warn};
};

constexpr double kHighestOverlap = 0.999;

constexpr char kFooter[] =
    "MODEL is a name of `stemsmith models --catalogue`, or a model.ts or model.onnx from "
    "`stemsmith export`, or the folder of both. It may be left out where a single model is "
    "installed, or where the settings file has default-model = \"NAME\". Every other option may "
    "stand in that file, "
    "too: format = \"flac\".\n";

template <typename Table>
std::vector<std::string> NamesOfRows(const Table& table) {
  std::vector<std::string> names;
  for (const auto& row : table) names.emplace_back(row.name);
  return names;
}

// "WHAT: mean (of the samples), …".
template <typename Table>
std::string RowsText(const std::string& what, const Table& table) {
  return what + ": " + JoinNames(table, ", ", [](const auto& row) {
           return std::string(row.name) + " (" + row.summary + ")";
         });
}

void AddOptions(CLI::App& app, Arguments& arguments) {
  app.add_option("songs", arguments.words, "The model, songs, and folders with songs")
      ->required()
      ->check(IsNotEmpty)
      ->configurable(false)
      ->type_name("[MODEL] SONG…");
  app.add_option("-m,--model", arguments.models,
                 "The model, where it is not one of the words before; several, each with this "
                 "option, for an ensemble")
      ->check(IsNotEmpty)
      ->allow_extra_args(false)
      ->configurable(false);
  app.add_option("--chain", arguments.chain,
                 "A recipe of steps in YAML, in which models separate what others have made; all "
                 "words are songs then")
      ->check(IsNotEmpty)
      ->configurable(false)
      ->excludes("--model")
      ->type_name("FILE");
  app.add_option("--default-model", arguments.default_model,
                 "The model where none is named; for the settings file")
      ->check(IsNotEmpty);
  app.add_flag("--download", arguments.download,
               "Download a published model that is not here yet: runs `stemsmith download`");
  AddStemOptions(app, arguments.songs);
  AddNumber(app, "--overlap", arguments.overlap, {0, kHighestOverlap},
            "Share of a segment that neighbours have in common: more is smoother and slower "
            "(default: as the model advises)");
  AddNumber(app, "--segment", arguments.segment_seconds, {0.01, 3600},
            "Seconds that the model gets at once, where it takes several lengths (default: as the "
            "model advises)");
  app.add_option("--overlap-style", arguments.overlap_style,
                 RowsText("How segments are joined", OverlapStyleTable()) +
                     " (default: as the model advises)")
      ->check(CLI::IsMember(NamesOfRows(OverlapStyleTable())));
  app.add_option("--window", arguments.window,
                 "Weights of a segment's frames (default: as the model or the style advises)")
      ->check(CLI::IsMember(NamesOfRows(kWindows)));
  AddNumber(app, "--batch", arguments.batch, {1, 256},
            "Segments that the model gets at once: more take more memory, and are faster on a GPU "
            "only (default: 4 on a GPU, else 1)");
  auto* shifts =
      AddNumber(app, "--shifts", arguments.passes.shifts, {0, 100},
                "Separate the song this many times, each time shifted by up to half a second, and "
                "take the mean: better, and that many times as slow");
  AddNumber(app, "--seed", arguments.passes.seed, {}, "Seed of the shifts")->capture_default_str();
  AddNumbers(app, "--shift-frames", arguments.passes.shift_frames, {0, 1'000'000},
             "The shifts themselves, in frames at the model's rate, as Python demucs draws them")
      ->excludes(shifts);
  app.add_flag("--tta", arguments.passes.turned,
               "Separate the song also with its channels swapped and with its sign turned, and "
               "take the mean: three times as slow");
  app.add_option("--combine", arguments.ensemble.combine,
                 RowsText("What the stems of several models become", CombinationTable()))
      ->check(CLI::IsMember(NamesOfRows(CombinationTable())))
      ->excludes("--chain");
  AddNumbers(app, "--weights", arguments.ensemble.weights, {0, 1e6},
             "Of each model in the mean, in their order: 2,1 (default: all the same)")
      ->excludes("--chain");
  AddNumber(app, "--wiener", arguments.wiener, {0, 100},
            "Refine the stems by so many iterations of Open-Unmix's Wiener filter");
  AddDecodeOptions(app, arguments.songs);
  AddDevice(app, arguments.runtime.device, "Where to compute");
  AddNumber(app, "--threads", arguments.runtime.threads, {1, 1024},
            "Compute threads (default: one per core)");
  auto* json_flag = app.add_flag_callback(
      "--json", [&arguments] { arguments.songs.mode = OutputMode::kJson; },
      "Progress and results as JSON lines on standard output");
  app.add_flag_callback(
         "--quiet", [&arguments] { arguments.songs.mode = OutputMode::kQuiet; },
         "Only errors and warnings")
      ->excludes(json_flag);
  app.footer(std::string(kFooter) + kStemsFooter);
}

SeparatorOptions OptionsOf(const CLI::App& app, const Arguments& arguments) {
  SeparatorOptions options = SeparatorOptionsOf(app, arguments.songs);
  if (arguments.overlap) options.stream.overlap = *arguments.overlap;
  if (arguments.segment_seconds) options.stream.segment_seconds = *arguments.segment_seconds;
  options.stream.overlap_style = arguments.overlap_style;
  options.stream.window = arguments.window;
  if (arguments.batch) options.stream.batch = *arguments.batch;
  options.passes = arguments.passes;
  options.ensemble = arguments.ensemble;
  options.wiener = arguments.wiener;
  return options;
}

fs::path FileOf(const ChosenModel& model, const Arguments& arguments) {
  if (model.missing.empty()) return model.file;
  if (arguments.download) return DownloadModel(model.missing, arguments.songs.mode);
  throw Error::Input("the model '" + model.missing + "' is not here yet", "",
                     "download it: stemsmith download " + model.missing + "; or pass --download");
}

// Models by their files, each opened once.
class OpenModels {
 public:
  explicit OpenModels(const Arguments& arguments) : arguments_(arguments) {}

  Runtime* Open(const ChosenModel& model) {
    const fs::path file = FileOf(model, arguments_);
    const auto found = std::find(files_.begin(), files_.end(), file);
    if (found != files_.end())
      return runtimes_[static_cast<std::size_t>(found - files_.begin())].get();
    runtimes_.push_back(Runtime::Open(file, arguments_.runtime));
    files_.push_back(file);
    return runtimes_.back().get();
  }
  const std::vector<fs::path>& files() const { return files_; }
  // "ONNX Runtime 1.31.1, cpu", of several kinds with + between.
  std::string Description() const {
    std::set<std::string> kinds;
    for (const auto& runtime : runtimes_) kinds.insert(runtime->description());
    return JoinNames(kinds, " + ");
  }

 private:
  const Arguments& arguments_;
  std::vector<fs::path> files_;
  std::vector<std::unique_ptr<Runtime>> runtimes_;
};

// A song whose reader stops the work on a signal: models that measure what others make begin with
// all of it.
class StoppableSong : public AudioReader {
 public:
  explicit StoppableSong(std::unique_ptr<AudioReader> song) : song_(std::move(song)) {}
  const AudioInfo& info() const override { return song_->info(); }
  std::size_t Read(float* out, std::size_t frames) override {
    StopIfInterrupted("interrupted, the song in work was left out");
    return song_->Read(out, frames);
  }
  void Rewind() override { song_->Rewind(); }
  std::vector<Damage> damage() const override { return song_->damage(); }

 private:
  std::unique_ptr<AudioReader> song_;
};

int RunChain(const SeparatorOptions& options, OpenModels& opened, const Arguments& arguments) {
  const std::vector<fs::path> inputs(arguments.words.begin(), arguments.words.end());
  const InputSongs list = CollectSongs(inputs, arguments.songs.output);
  const Chain chain = ReadChain(arguments.chain, [&](const std::string& word) {
    Runtime* const model = opened.Open(ChooseModel(word));
    StemStream::CheckOverlap(*model, options.stream);
    return model;
  });
  const auto open = [&](std::unique_ptr<AudioReader> input, const fs::path& file) {
    StemStreamOptions stream = options.stream;
    stream.input_name = file.string();
    const auto reader = [&] {
      return std::make_unique<StoppableSong>(input ? std::move(input)
                                                   : OpenAudio(file, options.decode));
    };
    return chain.Open(reader, stream, options.passes, options.growing_in);
  };
  Separator separator(chain.files(), open, options);
  std::vector<fs::path> sources = opened.files();
  sources.emplace_back(arguments.chain);
  return SeparateSongs(separator, list, std::move(sources), opened.Description(), arguments.songs);
}

int Run(const CLI::App& app, const Arguments& arguments, const Settings& settings) {
  CatchInterrupts();
  WarnOfRelativeFolders({"XDG_DATA_HOME", "XDG_CONFIG_HOME"}, Warn);
  const SeparatorOptions options = OptionsOf(app, arguments);
  OpenModels opened(arguments);
  if (!arguments.chain.empty()) return RunChain(options, opened, arguments);
  const std::string place = settings.Where("default-model");
  const ModelChoice choice = ChooseModelsAndInputs(
      arguments.models, {arguments.default_model, place.empty() ? Option("default-model") : place},
      arguments.words);
  const std::vector<fs::path> inputs(choice.inputs.begin(), choice.inputs.end());
  const InputSongs list = CollectSongs(inputs, arguments.songs.output);
  options.ensemble.Check(choice.models.size());
  std::vector<Runtime*> models;
  for (const ChosenModel& model : choice.models) models.push_back(opened.Open(model));
  Separator separator(models, options);
  return SeparateSongs(separator, list, opened.files(), opened.Description(), arguments.songs);
}

int ParseAndRun(int argc, char** argv) {
  CLI::App app{"separate: the stems of songs, by a trained model"};
  app.set_version_flag("--version", "separate " STEMSMITH_VERSION);
  Arguments arguments;
  AddOptions(app, arguments);
  const fs::path config = UserFolder("XDG_CONFIG_HOME", ".config");
  Settings settings;
  settings.AddTo(app, config.empty() ? "" : config / "stemsmith/separate.toml");
  return RunCommandLine("separate", app, argc, argv, [&] {
    try {
      return Run(app, arguments, settings);
    } catch (const Error& error) {
      throw settings.WithPlace(error);
    }
  });
}

}  // namespace
}  // namespace stemsmith

int main(int argc, char** argv) {
  stemsmith::StartProgram();
  return stemsmith::FinishProgram(stemsmith::ParseAndRun(argc, argv));
}
