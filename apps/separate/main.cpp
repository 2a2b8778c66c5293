// The `separate` program: stems of songs, from an exported model alone.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <optional>

#include "apps/checked_options.h"
#include "apps/command_line.h"
#include "apps/output.h"
#include "apps/separate/download_model.h"
#include "apps/separate/model_choice.h"
#include "apps/separate/settings.h"
#include "apps/terminal.h"
#include "audio/decode.h"
#include "catalogue/local_copies.h"
#include "core/current_error.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "core/text.h"
#include "separate/inputs.h"
#include "separate/separator.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Arguments {
  std::vector<std::string> words;  // the model and the songs
  std::string model, default_model;
  bool download = false;
  std::string output = "stems";
  std::vector<std::string> stems;
  std::string format = "wav", bits;
  std::optional<int> bitrate_kbps;
  std::optional<double> overlap;
  std::optional<int> batch;
  std::string audio_stream, on_damage = "fail";
  RuntimeOptions runtime = {.warn = Warn};
  OutputMode mode = OutputMode::kAuto;
};

constexpr double kHighestOverlap = 0.999;

constexpr char kFooter[] =
    "MODEL is a name of `stemsmith models --catalogue`, or a model.ts or model.onnx from "
    "`stemsmith export`, or the folder of both. It may be left out where a single model is "
    "installed, or where the settings file has default-model = \"NAME\". Every other option may "
    "stand in that file, "
    "too: format = \"flac\".\n"
    "Stems go to DIR/TRACK/STEM.wav, at the rate, channels and length of the song; with --format "
    "stem.mp4 to DIR/TRACK.stem.mp4.\n"
    "A track is named as its file; `mixture` and `mix` as the folder they lie in.\n"
    "Exit codes: 0 all done, 1 some songs failed, 2 wrong use, 129, 130 and 143 stopped by a "
    "hang-up, Ctrl-C or SIGTERM.";

constexpr SampleFormat kSampleFormats[] = {SampleFormat::kInt16, SampleFormat::kInt24,
                                           SampleFormat::kFloat32};

template <typename Range, typename Name>
std::vector<std::string> Names(const Range& items, Name name) {
  std::vector<std::string> names;
  for (const auto& item : items) names.emplace_back(std::invoke(name, item));
  return names;
}

// "wav (uncompressed, RF64 above 4 GiB), flac (lossless), …"
std::string FormatsText() {
  return JoinNames(FormatTable(), ", ", [](const FormatRow& row) {
    return std::string(row.name) + " (" + row.summary + ")";
  });
}

// "Bits per sample: 16 (wav, flac), 32f (wav) …".
std::string BitsText() {
  return "Bits per sample: " +
         JoinNames(kSampleFormats, ", ",
                   [](SampleFormat format) {
                     return std::string(SampleFormatName(format)) + " (" +
                            FormatNames([&](const FormatRow& row) { return row.Holds(format); }) +
                            ")";
                   }) +
         "; default: the first that the format holds";
}

// "kbit/s of each stream, lossy formats only; default, of stereo: mp3 320, …".
std::string BitratesText() {
  std::string text;
  for (const FormatRow& row : FormatTable()) {
    if (!row.lossy()) continue;
    text += (text.empty() ? "" : ", ") + std::string(row.name) + " " +
            std::to_string(2 * row.bit_rates.per_channel / 1000);
  }
  return "kbit/s of each stream, lossy formats only; default, of stereo: " + text;
}

void AddOptions(CLI::App& app, Arguments& arguments) {
  app.add_option("songs", arguments.words, "The model, songs, and folders with songs")
      ->required()
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
  app.add_option("-o,--out", arguments.output, "The folder for the stems")
      ->check(IsNotEmpty)
      ->capture_default_str()
      ->type_name("DIR");
  AddNames(app, "--stems", arguments.stems, "Only these stems: drums,vocals (default: all)")
      ->allow_extra_args(false);  // the words behind it are the model and the songs
  app.add_option("--format", arguments.format, FormatsText())
      ->check([](const std::string& name) {
        FindFormat(name);  // throws what is wrong
        return std::string();
      })
      ->capture_default_str()
      ->type_name("FORMAT");
  app.add_option("--bits", arguments.bits, BitsText())
      ->check(CLI::IsMember(Names(kSampleFormats, SampleFormatName)));
  AddNumber(app, "--bitrate", arguments.bitrate_kbps, {1, 1000}, BitratesText());
  AddNumber(app, "--overlap", arguments.overlap, {0, kHighestOverlap},
            "Share of a segment that neighbours have in common: more is smoother and slower "
            "(default: as the model advises)");
  AddNumber(app, "--batch", arguments.batch, {1, 256},
            "Segments that the model gets at once: more take more memory, and are faster on a GPU "
            "only (default: 4 on a GPU, else 1)");
  app.add_option(
         "--audio-stream", arguments.audio_stream,
         "Of files with several audio streams, this one: its number from 0, or its language "
         "(eng); default: the one that the file marks as default")
      ->type_name("N|LANG");
  app.add_option("--on-damage", arguments.on_damage,
                 "Where audio inside a file is damaged: fail leaves the song out, conceal continues "
                 "with silence of the lost length and says where")
      ->check(CLI::IsMember({"fail", "conceal"}))
      ->capture_default_str();
  AddDevice(app, arguments.runtime.device, "Where to compute");
  AddNumber(app, "--threads", arguments.runtime.threads, {1, 1024},
            "Compute threads (default: one per core)");
  auto* json_flag = app.add_flag_callback(
      "--json", [&arguments] { arguments.mode = OutputMode::kJson; },
      "Progress and results as JSON lines on standard output");
  app.add_flag_callback(
         "--quiet", [&arguments] { arguments.mode = OutputMode::kQuiet; },
         "Only errors and warnings")
      ->excludes(json_flag);
  app.footer(kFooter);
}

SeparatorOptions OptionsOf(const CLI::App& app, const Arguments& arguments) {
  SeparatorOptions options;
  options.stream.stems = arguments.stems;
  if (arguments.overlap) options.stream.overlap = *arguments.overlap;
  if (arguments.batch) options.stream.batch = *arguments.batch;
  options.growing_in = arguments.output;
  if (app.count("--audio-stream") > 0)
    ChooseStream(arguments.audio_stream, "--audio-stream", options.decode);
  if (arguments.on_damage == "conceal") options.decode.on_damage = OnDamage::kConceal;
  options.encoding.format = arguments.format;
  for (const SampleFormat format : kSampleFormats)
    if (arguments.bits == SampleFormatName(format)) options.encoding.sample_format = format;
  if (arguments.bitrate_kbps) options.encoding.bit_rate = 1000 * *arguments.bitrate_kbps;
  CheckEncodeOptions(options.encoding);
  return options;
}

constexpr char kIsFolder[] = "give a folder: each stem becomes a file DIR/TRACK/STEM in it";

// An output folder that cannot be written is a wrong command line, not a bad song.
void CheckOutputFolder(const std::string& output) {
  std::error_code code;
  if (const bool is_new = !fs::exists(output, code); is_new && HasAudioExtension(output)) {
    Warn("stems go into a new folder called '" + output + "': -o names a folder, not a file");
  } else if (!is_new && !fs::is_directory(output, code)) {
    throw Error::Usage("the output folder is a file", output, kIsFolder);
  }
  try {
    EnsureWritableFolder(output);
  } catch (const Error& error) {
    throw Error::Usage(error.problem(), output, "choose a folder that this user may write");
  }
}

void StopWhenInterrupted() { StopIfInterrupted("interrupted, the song in work was left out"); }

void CheckTargets(const InputSongs& list, const Separator& separator, const fs::path& model) {
  std::vector<fs::path> targets, sources = {model};
  for (const InputSong& song : list.songs) {
    sources.push_back(song.file);
    for (fs::path& target : separator.Targets(song.folder)) targets.push_back(std::move(target));
  }
  CheckAreNoSources(targets, sources);
}

// One song: progress while it runs, then its line.
void SeparateOne(Separator& separator, const InputSong& song, const std::string& label,
                 OutputMode mode) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds_so_far = [&] {
    return std::max(
        1e-9, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  };
  std::optional<Progress> progress;
  const auto observe = [&](std::int64_t done, std::int64_t total, int rate) {
    StopWhenInterrupted();
    if (!progress) {
      progress.emplace(TerminalHost(mode), Task{label, total > 0 ? total / rate : 0, "s"});
    }
    const double speed = static_cast<double>(done) / rate / seconds_so_far();
    progress->Update(done / rate, Formatted("%.1f", speed) + " × real time",
                     {{"input", song.file.string()}, {"realtime_factor", speed}});
  };
  const SeparatedSong result = separator.SeparateFile(song.file, song.folder, observe);
  if (progress) progress->Finish();

  const double seconds = static_cast<double>(result.frames) / result.sample_rate_hz;
  const double speed = seconds / seconds_so_far();
  if (result.clipped_samples > 0) {
    Warn(std::to_string(result.clipped_samples) + " samples were clipped in the stems of " +
         song.file.string() + "; --format wav --bits 32f keeps them");
  }
  if (!result.stream_choice.empty())
    Warn(song.file.string() + " " + result.stream_choice + " (--audio-stream chooses)");
  json damage = json::array();
  for (const Damage& place : result.damage) {
    damage.push_back(
        {{"begin_seconds", place.begin_seconds}, {"seconds", place.seconds}, {"what", place.what}});
  }
  if (!result.damage.empty()) Warn(song.file.string() + ": " + DamageText(result.damage));
  json files = json::object();
  for (std::size_t s = 0; s < result.files.size(); ++s) {
    files[separator.stems()[s]] = result.files[s].string();
  }
  const bool one_file = result.files.front().parent_path() != song.folder;
  const std::string other_rate = result.stems_rate_hz == result.sample_rate_hz
                                     ? ""
                                     : ", at " + std::to_string(result.stems_rate_hz) +
                                           " Hz, as the format has no " +
                                           std::to_string(result.sample_rate_hz) + " Hz";
  PrintResult(mode,
              song.track + ": " + std::to_string(result.files.size()) + " stems in " +
                  (one_file ? result.files.front() : song.folder).string() + " (" +
                  FormatDuration(seconds) + " of audio, " + Formatted("%.1f", speed) +
                  " × real time" + other_rate + ")",
              {{"event", "song"},
               {"input", song.file.string()},
               {"track", song.track},
               {"stems", files},
               {"frames", result.frames},
               {"sample_rate_hz", result.sample_rate_hz},
               {"stems_sample_rate_hz", result.stems_rate_hz},
               {"channels", result.channels},
               {"clipped_samples", result.clipped_samples},
               {"damage", damage},
               {"seconds", seconds_so_far()},
               {"realtime_factor", speed}});
}

void ReportFailure(const Error& error, const std::string& input, OutputMode mode) {
  WriteError(error);
  if (mode == OutputMode::kJson) {
    PrintResult(mode, "", {{"event", "error"}, {"input", input}, {"message", error.text()}});
  }
}

fs::path ModelOf(const ModelChoice& choice, const Arguments& arguments) {
  if (choice.missing.empty()) return choice.file;
  if (arguments.download) return DownloadModel(choice.missing, arguments.mode);
  throw Error::Input("the model '" + choice.missing + "' is not here yet", "",
                     "download it: stemsmith download " + choice.missing + "; or pass --download");
}

int Run(const CLI::App& app, const Arguments& arguments, const Settings& settings) {
  CatchInterrupts();
  WarnOfRelativeFolders({"XDG_DATA_HOME", "XDG_CONFIG_HOME"}, Warn);
  const SeparatorOptions options = OptionsOf(app, arguments);
  const std::string place = settings.Where("default-model");
  const ModelChoice choice = ChooseModelAndInputs(
      arguments.model, {arguments.default_model, place.empty() ? Option("default-model") : place},
      arguments.words);
  const std::vector<fs::path> inputs(choice.inputs.begin(), choice.inputs.end());
  const InputSongs list = CollectSongs(inputs, arguments.output);
  const fs::path model = ModelOf(choice, arguments);
  std::unique_ptr<Runtime> runtime = Runtime::Open(model, arguments.runtime);
  Separator separator(*runtime, options);
  CheckTargets(list, separator, model);
  CheckOutputFolder(arguments.output);

  if (arguments.mode == OutputMode::kAuto) {
    for (const std::string& note : list.notes) Warn(note);
  }
  for (const Error& problem : list.problems) {
    ReportFailure(problem, problem.where(), arguments.mode);
  }
  std::size_t failed = list.problems.size();
  const std::size_t count = list.songs.size();
  for (std::size_t i = 0; i < count; ++i) {
    const InputSong& song = list.songs[i];
    const std::string label = count == 1 ? song.track
                                         : std::string("[") + std::to_string(i + 1) + "/" +
                                               std::to_string(count) + "] " + song.track;
    try {
      StopWhenInterrupted();
      SeparateOne(separator, song, label, arguments.mode);
    } catch (const Error& error) {
      if (error.stopped_by_signal()) throw;
      ReportFailure(error, song.file.string(), arguments.mode);
      ++failed;
    } catch (...) {
      ReportFailure(CurrentError(song.file.string()), song.file.string(), arguments.mode);
      ++failed;
    }
  }
  const std::size_t all = count + list.problems.size();
  if (failed > 0)
    WriteError(
        Error::Input(std::to_string(failed) + " of " + std::to_string(all) + " inputs failed", ""));
  PrintResult(arguments.mode,
              all > 1 ? std::to_string(all - failed) + " of " + std::to_string(all) +
                            " songs separated with " + runtime->description()
                      : "",
              {{"done", all - failed},
               {"failed", failed},
               {"runtime", runtime->description()},
               {"output", arguments.output}});
  return static_cast<int>(failed > 0 ? ExitCode::kInputFailed : ExitCode::kOk);
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
