// The `separate` program: stems of songs, from an exported model alone.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <set>

#include "apps/checked_options.h"
#include "apps/command_line.h"
#include "apps/engine_options.h"
#include "apps/generate.h"
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
#include "core/threads.h"
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
  app.add_option("songs", arguments.words,
                 "The model, songs, and folders with songs; - is a song from standard input")
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
  AddWord(app, "--overlap-style", arguments.overlap_style, NamesOfRows(OverlapStyleTable()),
          RowsText("How segments are joined", OverlapStyleTable()) +
              " (default: as the model advises)");
  AddWord(app, "--window", arguments.window, NamesOfRows(kWindows),
          "Weights of a segment's frames (default: as the model or the style advises)");
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
  AddWord(app, "--combine", arguments.ensemble.combine, NamesOfRows(CombinationTable()),
          RowsText("What the stems of several models become", CombinationTable()))
      ->excludes("--chain");
  AddNumbers(app, "--weights", arguments.ensemble.weights, {0, 1e6},
             "Of each model in the mean, in their order: 2,1 (default: all the same)")
      ->excludes("--chain");
  AddNumber(app, "--wiener", arguments.wiener, {0, 100},
            "Refine the stems by so many iterations of Open-Unmix's Wiener filter");
  AddDecodeOptions(app, arguments.songs);
  AddDevice(app, arguments.runtime.device, "Where to compute");
  AddEngine(app, arguments.runtime);
  app.add_option("--manifest", arguments.runtime.manifest_file,
                 "A JSON file that describes the model, where it is an .onnx file of another "
                 "program: its stems, its sample rate and so on (docs/model_format.md)")
      ->check(IsNotEmpty)
      ->configurable(false)
      ->excludes("--chain")
      ->type_name("FILE");
  AddNumber(app, "--threads", arguments.runtime.threads, {0, 1024},
            "Compute threads (0, the default: one per core)");
  auto* json_flag = app.add_flag_callback(
      "--json", [&arguments] { arguments.songs.mode = OutputMode::kJson; },
      "Progress and results as JSON lines on standard output");
  app.add_flag_callback(
         "--quiet", [&arguments] { arguments.songs.mode = OutputMode::kQuiet; },
         "Only errors and warnings")
      ->excludes(json_flag);
  app.footer(std::string(kFooter) + kStemsFooter);
  AddGenerate(app, {.program = "separate", .words = WordsOfStemOptions(), .names = ModelNames});
}

SeparatorOptions OptionsOf(const CLI::App& app, const Arguments& arguments,
                           const Settings& settings) {
  SongsArguments songs = arguments.songs;
  // A settings file that names no format means those that have bits, and those that have a rate.
  if (settings.Where("format").empty()) {
    const FormatRow& format = FindFormat(songs.format);
    if (!settings.Where("bits").empty() && format.sample_formats.empty()) songs.bits.clear();
    if (!settings.Where("bitrate").empty() && (!format.lossy() || !songs.bits.empty()))
      songs.bitrate_kbps = {};
  }
  SeparatorOptions options = SeparatorOptionsOf(app, songs);
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

// Models by their files and those that describe them, each opened once.
class OpenModels {
 public:
  OpenModels(const Arguments& arguments, const RuntimeOptions& options)
      : arguments_(arguments), options_(options) {}

  Runtime* Open(const ChosenModel& model, const fs::path& manifest) {
    const std::pair files(FileOf(model, arguments_), manifest);
    const auto found = std::find(files_.begin(), files_.end(), files);
    if (found != files_.end())
      return runtimes_[static_cast<std::size_t>(found - files_.begin())].get();
    RuntimeOptions options = options_;
    options.manifest_file = manifest;
    runtimes_.push_back(Runtime::Open(files.first, options));
    files_.push_back(files);
    return runtimes_.back().get();
  }
  // All that they are made of.
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& [model, manifest] : files_) {
      all.push_back(model);
      if (!manifest.empty()) all.push_back(manifest);
    }
    return all;
  }
  const std::vector<std::unique_ptr<Runtime>>& runtimes() const { return runtimes_; }

 private:
  const Arguments& arguments_;
  const RuntimeOptions& options_;
  std::vector<std::pair<fs::path, fs::path>> files_;
  std::vector<std::unique_ptr<Runtime>> runtimes_;
};

// What `of` says of each model; where they differ, with + between: "ONNX Runtime 1.31.1, cpu".
template <typename Of>
std::string OfAll(const OpenModels& models, Of of) {
  std::set<std::string> all;
  for (const auto& runtime : models.runtimes()) all.insert(of(*runtime));
  return JoinNames(all, " + ");
}

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

// Models, and what separates with them: jobs have one each.
struct Work {
  Work(const Arguments& arguments, const RuntimeOptions& runtime, const SeparatorOptions& options,
       const std::vector<ChosenModel>& chosen)
      : models(arguments, runtime) {
    if (arguments.chain.empty()) {
      options.ensemble.Check(chosen.size());
      std::vector<Runtime*> opened;
      for (const ChosenModel& model : chosen)
        opened.push_back(models.Open(model, runtime.manifest_file));
      separator.emplace(opened, options);
      return;
    }
    chain.emplace(ReadChain(arguments.chain, [&](const std::string& word, const fs::path& file) {
      Runtime* const model = models.Open(ChooseModel(word), file);
      StemStream::CheckOverlap(*model, options.stream);
      return model;
    }));
    const auto open = [this, options](std::unique_ptr<AudioReader> input, const fs::path& file) {
      StemStreamOptions stream = options.stream;
      stream.input_name = file.string();
      const auto reader = [&] {
        return std::make_unique<StoppableSong>(input ? std::move(input)
                                                     : OpenAudio(file, options.decode));
      };
      return chain->Open(reader, stream, options.passes, options.growing_in);
    };
    separator.emplace(chain->files(), open, options);
  }

  OpenModels models;
  std::optional<Chain> chain;
  std::optional<Separator> separator;
};

// What {model} in the names of files stands for.
std::string NameOfAll(const ModelChoice& choice, const Arguments& arguments) {
  if (!arguments.chain.empty()) return fs::path(arguments.chain).stem().string();
  return JoinNames(choice.models, "+", [](const ChosenModel& model) {
    return model.missing.empty() ? ModelNameOf(model.file) : model.missing;
  });
}

int Run(const CLI::App& app, const Arguments& arguments, const Settings& settings) {
  if (arguments.words.empty() && arguments.songs.lists.empty())
    throw Error::Usage("there are no songs to separate", "",
                       "separate MODEL SONG…; see separate --help");
  CatchInterrupts();
  WarnOfRelativeFolders({"XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"}, Warn);
  const SeparatorOptions options = OptionsOf(app, arguments, settings);
  const std::string place = settings.Where("default-model");
  ModelChoice choice{{}, arguments.words};
  if (arguments.chain.empty()) {
    choice = ChooseModelsAndInputs(
        arguments.models,
        {arguments.default_model, place.empty() ? Option("default-model") : place},
        arguments.words);
  }
  const InputSongs list = SongsOf({choice.inputs.begin(), choice.inputs.end()}, arguments.songs,
                                  NameOfAll(choice, arguments));
  const fs::path& manifest = arguments.runtime.manifest_file;
  if (!manifest.empty() && choice.models.size() > 1)
    throw Error::Usage("a manifest describes one model, not " +
                           std::to_string(choice.models.size()),
                       Option("manifest"), "give one --model");
  for (ChosenModel& model : choice.models) model = {FileOf(model, arguments), {}};
  RuntimeOptions runtime = arguments.runtime;
  if (arguments.chain.empty()) {
    runtime.wanted = [&options](const std::vector<std::string>& stems) {
      try {
        return Separator::StemsNeeded(options, stems);
      } catch (const Error&) {
        return stems;  // what is wrong is said when all models are known
      }
    };
  }
  UseCompiledCache(runtime);
  const int jobs = arguments.songs.jobs;
  if (jobs > 1) runtime.threads = std::max(1, ComputeThreads(runtime.threads) / jobs);
  Work first(arguments, runtime, options, choice.models);
  if (arguments.songs.mode == OutputMode::kAuto) {
    std::set<std::string> notes;
    for (const auto& model : first.models.runtimes()) notes.insert(PrecisionNote(*model));
    for (const std::string& note : notes)
      if (!note.empty()) Warn(note);
  }
  runtime.warn = {};  // said once
  const auto another = [&] {
    const auto work = std::make_shared<Work>(arguments, runtime, options, choice.models);
    return std::shared_ptr<Separator>(work, &*work->separator);
  };
  std::vector<fs::path> sources = first.models.files();
  if (!arguments.chain.empty()) sources.emplace_back(arguments.chain);
  const auto description = [](const Runtime& model) { return model.description(); };
  return SeparateSongs(
      *first.separator, another, list, std::move(sources), OfAll(first.models, description),
      arguments.songs,
      {{"engine", OfAll(first.models, [](const Runtime& model) { return NameOf(model.engine()); })},
       {"precision",
        OfAll(first.models, [](const Runtime& model) { return NameOf(model.precision()); })}});
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
