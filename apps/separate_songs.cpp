#include "apps/separate_songs.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <utility>

#include "apps/checked_options.h"
#include "apps/output.h"
#include "audio/decode.h"
#include "core/current_error.h"
#include "core/decibel.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/text.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

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

// "Usual files: 2stem (vocals, and no_vocals), …".
std::string PresetsText() {
  return "Usual files: " + JoinNames(StemPresetTable(), ", ", [](const StemPreset& preset) {
           return std::string(preset.name) + " (" + preset.summary + ")";
         });
}

constexpr std::pair<const char*, Clipping> kClippings[] = {
    {"none", Clipping::kNone}, {"clamp", Clipping::kClamp}, {"rescale", Clipping::kRescale}};

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

void CheckTargets(const InputSongs& list, const Separator& separator,
                  std::vector<fs::path> sources) {
  std::vector<fs::path> targets;
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
         song.file.string() + "; --clip rescale makes all stems quieter instead");
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
    files[separator.names()[s]] = result.files[s].string();
  }
  const bool one_file = result.files.front().parent_path() != song.folder;
  const std::string quieter =
      result.gain == 1
          ? ""
          : ", " + Formatted("%.2f", -PowerToDb(result.gain * result.gain, -200)) + " dB quieter";
  const std::string other_rate = result.stems_rate_hz == result.sample_rate_hz
                                     ? ""
                                     : ", at " + std::to_string(result.stems_rate_hz) +
                                           " Hz, as the format has no " +
                                           std::to_string(result.sample_rate_hz) + " Hz";
  PrintResult(mode,
              song.track + ": " + std::to_string(result.files.size()) +
                  (result.files.size() == 1 ? " stem in " : " stems in ") +
                  (one_file ? result.files.front() : song.folder).string() + " (" +
                  FormatDuration(seconds) + " of audio, " + Formatted("%.1f", speed) +
                  " × real time" + other_rate + quieter + ")",
              {{"event", "song"},
               {"input", song.file.string()},
               {"track", song.track},
               {"stems", files},
               {"frames", result.frames},
               {"sample_rate_hz", result.sample_rate_hz},
               {"stems_sample_rate_hz", result.stems_rate_hz},
               {"channels", result.channels},
               {"clipped_samples", result.clipped_samples},
               {"gain", result.gain},
               {"damage", damage},
               {"seconds", seconds_so_far()},
               {"realtime_factor", speed}});
}

// Stems appear together, so that a song whose files are there was complete.
bool IsThere(const std::vector<fs::path>& files) {
  return std::all_of(files.begin(), files.end(), [](const fs::path& file) {
    std::error_code code;
    return fs::is_regular_file(file, code) && fs::file_size(file, code) > 0;
  });
}

// Of a song that is not separated, and why.
void ShowUntouched(const Separator& separator, const InputSong& song, const char* event,
                   const std::string& text, OutputMode mode) {
  const std::vector<fs::path> targets = separator.Targets(song.folder);
  json files = json::object();
  for (std::size_t s = 0; s < targets.size(); ++s)
    files[separator.names()[s]] = targets[s].string();
  PrintResult(
      mode, text,
      {{"event", event}, {"input", song.file.string()}, {"track", song.track}, {"stems", files}});
}

void ReportFailure(const Error& error, const std::string& input, OutputMode mode) {
  WriteError(error);
  if (mode == OutputMode::kJson) {
    PrintResult(mode, "", {{"event", "error"}, {"input", input}, {"message", error.text()}});
  }
}

}  // namespace

const char kStemsFooter[] =
    "Stems go to DIR/TRACK/STEM.wav, at the rate, channels and length of the song; with --format "
    "stem.mp4 to DIR/TRACK.stem.mp4.\n"
    "A track is named as its file; `mixture` and `mix` as the folder they lie in.\n"
    "Exit codes: 0 all done, 1 some songs failed, 2 wrong use, 129, 130 and 143 stopped by a "
    "hang-up, Ctrl-C or SIGTERM.";

void AddStemOptions(CLI::App& app, SongsArguments& arguments) {
  app.add_option("-o,--out", arguments.output, "The folder for the stems")
      ->check(IsNotEmpty)
      ->capture_default_str()
      ->type_name("DIR");
  AddNames(app, "--stems", arguments.files.stems, "Only these stems: drums,vocals (default: all)")
      ->allow_extra_args(false);  // the words behind it are the model and the songs
  app.add_option("--mix", arguments.files.mixes,
                 "A file of several stems: karaoke=drums+bass+other, or of the song without some: "
                 "instrumental=mixture-vocals; may be given several times")
      ->allow_extra_args(false)
      ->type_name("NAME=STEM+STEM…");
  app.add_option("--two-stems", arguments.files.two_stems,
                 "This stem, and a file no_STEM of all others")
      ->check(IsNotEmpty)
      ->type_name("STEM");
  app.add_option("--preset", arguments.files.preset, PresetsText())
      ->check(IsNotEmpty)
      ->type_name("PRESET");
  app.add_flag("--mixture-consistent", arguments.mixture_consistent,
               "Make all stems add up to the song: what they lack is shared among them");
  app.add_option("--format", arguments.format, FormatsText())
      ->check([](const std::string& name) {
        FindFormat(name);  // throws what is wrong
        return std::string();
      })
      ->capture_default_str()
      ->type_name("FORMAT");
  app.add_option("--bits", arguments.bits, BitsText())
      ->check(CLI::IsMember(Names(kSampleFormats, SampleFormatName)));
  app.add_option("--clip", arguments.clip,
                 "Samples above full scale: clamp cuts them off (default of 16 and 24 bits), "
                 "rescale makes all files of a song quieter alike, none leaves them (default else)")
      ->check(CLI::IsMember(Names(kClippings, [](const auto& row) { return row.first; })));
  AddNumber(app, "--bitrate", arguments.bitrate_kbps, {1, 1000}, BitratesText());
}

void AddDecodeOptions(CLI::App& app, SongsArguments& arguments) {
  app.add_flag("--skip-existing", arguments.skip_existing,
               "Leave out songs whose files are all there");
  app.add_flag("--dry-run", arguments.dry_run,
               "Say which songs would be separated, and into which files, and do nothing");
  app.add_option(
         "--audio-stream", arguments.audio_stream,
         "Of files with several audio streams, this one: its number from 0, or its language "
         "(eng); default: the one that the file marks as default")
      ->type_name("N|LANG");
  app.add_option(
         "--on-damage", arguments.on_damage,
         "Where audio inside a file is damaged: fail leaves the song out, conceal continues "
         "with silence of the lost length and says where")
      ->check(CLI::IsMember({"fail", "conceal"}))
      ->capture_default_str();
}

SeparatorOptions SeparatorOptionsOf(const CLI::App& app, const SongsArguments& arguments) {
  SeparatorOptions options;
  options.files = arguments.files;
  options.mixture_consistent = arguments.mixture_consistent;
  for (const auto& [name, clipping] : kClippings)
    if (arguments.clip == name) options.clipping = clipping;
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

int SeparateSongs(Separator& separator, const InputSongs& list, std::vector<fs::path> sources,
                  const std::string& made_with, const SongsArguments& arguments,
                  const json& result_fields) {
  CheckTargets(list, separator, std::move(sources));
  if (!arguments.dry_run) CheckOutputFolder(arguments.output);

  if (arguments.mode == OutputMode::kAuto) {
    for (const std::string& note : list.notes) Warn(note);
  }
  for (const Error& problem : list.problems) {
    ReportFailure(problem, problem.where(), arguments.mode);
  }
  std::size_t failed = list.problems.size(), skipped = 0;
  const std::size_t count = list.songs.size();
  for (std::size_t i = 0; i < count; ++i) {
    const InputSong& song = list.songs[i];
    const std::vector<fs::path> targets = separator.Targets(song.folder);
    if (arguments.skip_existing && IsThere(targets)) {
      ++skipped;
      ShowUntouched(separator, song, "skipped", song.track + ": is there, skipped", arguments.mode);
      continue;
    }
    if (arguments.dry_run) {
      // A format of many streams has one file for all.
      const std::set<fs::path> files(targets.begin(), targets.end());
      ShowUntouched(separator, song, "would_separate",
                    song.file.string() + " -> " +
                        JoinNames(files, ", ", [](const fs::path& file) { return file.string(); }),
                    arguments.mode);
      continue;
    }
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
  const std::size_t done = arguments.dry_run ? 0 : all - failed - skipped;
  if (failed > 0)
    WriteError(
        Error::Input(std::to_string(failed) + " of " + std::to_string(all) + " inputs failed", ""));
  json result = {{"done", done},
                 {"skipped", skipped},
                 {"failed", failed},
                 {"runtime", made_with},
                 {"output", arguments.output}};
  result.update(result_fields);
  PrintResult(arguments.mode,
              all > 1 && !arguments.dry_run
                  ? std::to_string(done) + " of " + std::to_string(all) + " songs separated with " +
                        made_with + (skipped > 0 ? ", " + std::to_string(skipped) + " skipped" : "")
                  : "",
              result);
  return static_cast<int>(failed > 0 ? ExitCode::kInputFailed : ExitCode::kOk);
}

}  // namespace stemsmith
