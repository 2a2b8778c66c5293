// The `separate` program: stems of songs, from an exported model alone.
#include <CLI/CLI.hpp>
#include <optional>

#include "apps/checked_options.h"
#include "apps/command_line.h"
#include "apps/engine_options.h"
#include "apps/generate.h"
#include "apps/output.h"
#include "apps/separate/download_model.h"
#include "apps/separate/model_choice.h"
#include "apps/separate/settings.h"
#include "apps/separate_songs.h"
#include "apps/terminal.h"
#include "catalogue/local_copies.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "core/threads.h"
#include "separate/inputs.h"
#include "separate/separator.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::vector<std::string> words;  // the model and the songs
  std::string model, default_model;
  bool download = false;
  SongsArguments songs;
  std::optional<double> overlap;
  std::optional<int> batch;
  PassOptions passes;
  RuntimeOptions runtime = {.warn = Warn};
};

constexpr double kHighestOverlap = 0.999;

constexpr char kFooter[] =
    "MODEL is a name of `stemsmith models --catalogue`, or a model.ts or model.onnx from "
    "`stemsmith export`, or the folder of both. It may be left out where a single model is "
    "installed, or where the settings file has default-model = \"NAME\". Every other option may "
    "stand in that file, "
    "too: format = \"flac\".\n";

void AddOptions(CLI::App& app, Arguments& arguments) {
  app.add_option("songs", arguments.words,
                 "The model, songs, and folders with songs; - is a song from standard input")
      ->check(IsNotEmpty)
      ->configurable(false)
      ->type_name("[MODEL] SONG…");
  app.add_option("-m,--model", arguments.model,
                 "The model, where it is not one of the words before")
      ->check(IsNotEmpty)
      ->configurable(false);
  app.add_option("--default-model", arguments.default_model,
                 "The model where none is named; for the settings file")
      ->check(IsNotEmpty);
  app.add_flag("--download", arguments.download,
               "Download a published model that is not here yet: runs `stemsmith download`");
  AddStemOptions(app, arguments.songs);
  AddNumber(app, "--overlap", arguments.overlap, {0, kHighestOverlap},
            "Share of a segment that neighbours have in common: more is smoother and slower "
            "(default: as the model advises)");
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
  AddDecodeOptions(app, arguments.songs);
  AddDevice(app, arguments.runtime.device, "Where to compute");
  AddEngine(app, arguments.runtime);
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
  AddGenerate(app, {.program = "separate", .words = WordsOfStemOptions(), .names = ModelNames});
}

SeparatorOptions OptionsOf(const CLI::App& app, const Arguments& arguments) {
  SeparatorOptions options = SeparatorOptionsOf(app, arguments.songs);
  if (arguments.overlap) options.stream.overlap = *arguments.overlap;
  if (arguments.batch) options.stream.batch = *arguments.batch;
  options.passes = arguments.passes;
  return options;
}

fs::path ModelOf(const ModelChoice& choice, const Arguments& arguments) {
  if (choice.missing.empty()) return choice.file;
  if (arguments.download) return DownloadModel(choice.missing, arguments.songs.mode);
  throw Error::Input("the model '" + choice.missing + "' is not here yet", "",
                     "download it: stemsmith download " + choice.missing + "; or pass --download");
}

// A model, and what separates with it: jobs have one each.
struct OpenedModel {
  OpenedModel(const fs::path& model, const RuntimeOptions& runtime_options,
              const SeparatorOptions& options)
      : runtime(Runtime::Open(model, runtime_options)), separator(*runtime, options) {}
  std::unique_ptr<Runtime> runtime;
  Separator separator;
};

int Run(const CLI::App& app, const Arguments& arguments, const Settings& settings) {
  if (arguments.words.empty() && arguments.songs.lists.empty())
    throw Error::Usage("there are no songs to separate", "",
                       "separate MODEL SONG…; see separate --help");
  CatchInterrupts();
  WarnOfRelativeFolders({"XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"}, Warn);
  const SeparatorOptions options = OptionsOf(app, arguments);
  const std::string place = settings.Where("default-model");
  const ModelChoice choice = ChooseModelAndInputs(
      arguments.model, {arguments.default_model, place.empty() ? Option("default-model") : place},
      arguments.words);
  const InputSongs list =
      SongsOf({choice.inputs.begin(), choice.inputs.end()}, arguments.songs,
              choice.missing.empty() ? ModelNameOf(choice.file) : choice.missing);
  const fs::path model = ModelOf(choice, arguments);
  RuntimeOptions runtime = arguments.runtime;
  runtime.wanted = [&options](const std::vector<std::string>& stems) {
    return Separator::StemsNeeded(options, stems);
  };
  UseCompiledCache(runtime);
  const int jobs = arguments.songs.jobs;
  if (jobs > 1) runtime.threads = std::max(1, ComputeThreads(runtime.threads) / jobs);
  OpenedModel first(model, runtime, options);
  if (const std::string note = PrecisionNote(*first.runtime);
      !note.empty() && arguments.songs.mode == OutputMode::kAuto)
    Warn(note);
  runtime.warn = {};  // said once
  const auto another = [&] {
    const auto opened = std::make_shared<OpenedModel>(model, runtime, options);
    return std::shared_ptr<Separator>(opened, &opened->separator);
  };
  return SeparateSongs(first.separator, another, list, {model}, first.runtime->description(),
                       arguments.songs,
                       {{"engine", NameOf(first.runtime->engine())},
                        {"precision", NameOf(first.runtime->precision())}});
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
