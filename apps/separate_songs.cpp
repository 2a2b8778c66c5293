#include "apps/separate_songs.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "apps/output.h"
#include "audio/decode.h"
#include "core/current_error.h"
#include "core/decibel.h"
#include "core/error.h"
#include "core/files.h"
#include "core/for_each_song.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "core/peak_memory.h"
#include "core/text.h"
#include "core/visible_text.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kIsFolder[] = "give a folder: each stem becomes a file DIR/TRACK/STEM in it";

// An output folder that cannot be written is a wrong command line, not a bad song.
std::unique_ptr<ResultFolder> MakeOutputFolder(const std::string& output) {
  std::error_code code;
  if (const bool is_new = !fs::exists(output, code); is_new && HasAudioExtension(output)) {
    Warn("stems go into a new folder called '" + output + "': -o names a folder, not a file");
  } else if (!is_new && !fs::is_directory(output, code)) {
    throw Error::Usage("the output folder is a file", output, kIsFolder);
  }
  try {
    return std::make_unique<ResultFolder>(output);
  } catch (const Error& error) {
    throw Error::Usage(error.problem(), output, "choose a folder that this user may write");
  }
}

void StopWhenInterrupted() { StopIfInterrupted("interrupted, the song in work was left out"); }

bool IsThere(const std::vector<fs::path>& files) {
  return std::all_of(files.begin(), files.end(), [](const fs::path& file) {
    std::error_code code;
    return fs::is_regular_file(file, code) && fs::file_size(file, code) > 0;
  });
}

// Of a song that is not separated, and why.
void ShowUntouched(const Separator& separator, const std::vector<fs::path>& targets,
                   const InputSong& song, const char* event, const std::string& text,
                   OutputMode mode) {
  json files = json::object();
  for (std::size_t s = 0; s < targets.size(); ++s)
    files[separator.names()[s]] = targets[s].string();
  PrintResult(
      mode, text,
      {{"event", event}, {"input", song.shown}, {"track", song.track}, {"stems", files}});
}

void ReportFailure(const Error& error, const std::string& input, OutputMode mode) {
  WriteError(error);
  if (mode == OutputMode::kJson) {
    PrintResult(mode, "", {{"event", "error"}, {"input", input}, {"message", error.text()}});
  }
}

std::vector<fs::path> TargetsOf(const InputSong& song, const Separator& separator,
                                const FileNames& names, const std::string& output) {
  std::vector<fs::path> targets;
  for (const std::string& stem : separator.names())
    targets.push_back(fs::path(output) / names.Of(song.track, song.parent, stem));
  return targets;
}

// That no stem replaces a song, a source, or another song's stem.
void CheckTargets(const InputSongs& list, const Separator& separator, const std::string& output,
                  std::vector<fs::path> sources) {
  list.names.CheckStems(separator.names());
  std::vector<fs::path> all;
  std::map<fs::path, const InputSong*> owners;
  for (const InputSong& song : list.songs) {
    sources.push_back(song.file);
    for (fs::path& target : TargetsOf(song, separator, list.names, output)) {
      const auto [owner, is_new] = owners.emplace(target.lexically_normal(), &song);
      if (!is_new && owner->second != &song)
        throw Error::Usage(owner->second->shown + " and " + song.shown + " would get the same file",
                           target.string(), "put what differs into --name");
      all.push_back(std::move(target));
    }
  }
  CheckAreNoSources(all, sources);
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::max(
      1e-9, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

// Ends all songs, not just the one in work: what a process took counts for all that follows.
class TooMuchMemory : public Error {
 public:
  explicit TooMuchMemory(std::int64_t bytes)
      : Error(ExitCode::kInputFailed,
              "separating takes " + FormatBytes(static_cast<double>(bytes)) +
                  " of memory, more than it may",
              Option("max-memory"), "allow more, or choose a model or method that takes less") {}
};

// All songs, one after another or several at once.
class SongsWork {
 public:
  SongsWork(Separator& first, const std::function<std::shared_ptr<Separator>()>& another,
            const InputSongs& list, const SongsArguments& arguments)
      : another_(another),
        list_(list),
        arguments_(arguments),
        mode_(arguments.mode),
        jobs_(arguments.dry_run ? 1 : arguments.jobs),
        failed_(list.problems.size()) {
    if (arguments.max_memory_gib)
      memory_ = static_cast<std::int64_t>(*arguments.max_memory_gib * (std::int64_t{1} << 30));
    idle_.emplace_back(std::shared_ptr<void>(), &first);
    // A bar for each would be one over the other.
    if (jobs_ > 1 && mode_ == OutputMode::kAuto)
      together_.emplace(TerminalHost(mode_),
                        Task{"songs", static_cast<std::int64_t>(list.songs.size()), ""});
  }

  void Run() {
    const std::size_t alone = memory_ > 0 && jobs_ > 1 ? SeparateAlone() : 0;
    const int signal =
        ForEachSong(list_.songs.size() - alone, jobs_, TerminalHost(mode_),
                    [&](std::size_t song, const StopQuestion&) { SeparateSong(alone + song); });
    if (together_) together_->Finish();
    if (signal != 0) StopWhenInterrupted();
  }
  std::size_t failed() const { return failed_; }
  std::size_t skipped() const { return skipped_; }

 private:
  // Separates songs until it is known what one takes, and lowers the number of jobs to what memory
  // allows; each keeps its share of the threads, so that the stems do not depend on memory.
  // Returns how many songs that were.
  std::size_t SeparateAlone() {
    std::size_t songs = 0;
    while (songs < list_.songs.size() && !separated_) SeparateSong(songs++);
    const std::int64_t peak = PeakMemory(), each = peak + peak / 8 + 1;  // some to spare
    const int jobs = static_cast<int>(std::clamp<std::int64_t>(memory_ / each, 1, jobs_));
    if (separated_ && jobs < jobs_) {
      Warn(std::to_string(jobs) + (jobs == 1 ? " song" : " songs") + " at once, not " +
           std::to_string(jobs_) + ": one takes " + FormatBytes(static_cast<double>(peak)) +
           " of memory; with --jobs " + std::to_string(jobs) + " each has more threads");
      jobs_ = jobs;
    }
    return songs;
  }

  void CheckMemory() const {
    if (memory_ == 0) return;
    if (const std::int64_t taken = PeakMemory(); taken > memory_) throw TooMuchMemory(taken);
  }

  void SeparateSong(std::size_t i) {
    const InputSong& song = list_.songs[i];
    const std::shared_ptr<Separator> separator = TakeSeparator(song);
    if (separator == nullptr) return;
    const std::vector<fs::path> targets =
        TargetsOf(song, *separator, list_.names, arguments_.output);
    if (arguments_.skip_existing && IsThere(targets)) {
      ++skipped_;
      ShowUntouched(*separator, targets, song, "skipped",
                    VisibleText(song.track) + ": is there, skipped", mode_);
    } else if (arguments_.dry_run) {
      // A format of many streams has one file for all.
      const std::set<fs::path> files(targets.begin(), targets.end());
      ShowUntouched(*separator, targets, song, "would_separate",
                    VisibleText(song.shown + " -> " +
                                JoinNames(files, ", ", [](const fs::path& file) {
                                  return file.string();
                                })),
                    mode_);
    } else {
      Guarded(song, [&] { SeparateOne(*separator, i, targets); });
    }
    const std::lock_guard guard(mutex_);
    idle_.push_back(separator);
    ++finished_;
  }

  // Null where there is none for this song, which is reported.
  std::shared_ptr<Separator> TakeSeparator(const InputSong& song) {
    {
      const std::lock_guard guard(mutex_);
      if (!idle_.empty()) {
        const std::shared_ptr<Separator> separator = idle_.back();
        idle_.pop_back();
        return separator;
      }
    }
    std::shared_ptr<Separator> separator;
    Guarded(song, [&] { separator = another_(); });
    return separator;
  }

  // Reports what goes wrong with a song, but for a signal.
  template <typename Work>
  void Guarded(const InputSong& song, Work work) {
    try {
      StopWhenInterrupted();
      return work();
    } catch (const TooMuchMemory&) {
      throw;
    } catch (const Error& error) {
      if (error.stopped_by_signal()) throw;
      // The file that standard input is kept in has a name that nobody knows.
      const bool kept = error.where() == song.file.string();
      ReportFailure(kept ? Error(error.code(), error.problem(), song.shown, error.advice()) : error,
                    song.shown, mode_);
    } catch (...) {
      ReportFailure(CurrentError(song.shown), song.shown, mode_);
    }
    ++failed_;
  }

  // One song: progress while it runs, then its line.
  void SeparateOne(Separator& separator, std::size_t i, const std::vector<fs::path>& targets) {
    const InputSong& song = list_.songs[i];
    const std::size_t count = list_.songs.size();
    const std::string label = count == 1 ? song.track
                                         : std::string("[") + std::to_string(i + 1) + "/" +
                                               std::to_string(count) + "] " + song.track;
    const auto start = std::chrono::steady_clock::now();
    std::optional<Progress> progress;
    double seconds_before = 0;
    CheckMemory();  // that opening the model has taken
    const auto observe = [&](std::int64_t done, std::int64_t total, int rate) {
      StopWhenInterrupted();
      CheckMemory();
      const double seconds = static_cast<double>(done) / rate;
      if (together_) return UpdateTogether(seconds - std::exchange(seconds_before, seconds));
      if (!progress)
        progress.emplace(TerminalHost(mode_), Task{label, total > 0 ? total / rate : 0, "s"});
      const double speed = seconds / SecondsSince(start);
      progress->Update(done / rate, Formatted("%.1f", speed) + " × real time",
                       {{"input", song.shown}, {"realtime_factor", speed}});
    };
    const SeparatedSong result = arguments_.to_output()
                                     ? SeparateToOutput(separator, song, observe)
                                     : separator.SeparateInto(song.file, targets, observe);
    separated_ = true;
    if (progress) progress->Finish();
    Report(separator, song, result, SecondsSince(start));
  }

  void UpdateTogether(double more_seconds) {
    const std::lock_guard guard(mutex_);
    seconds_ += more_seconds;
    const double speed = seconds_ / SecondsSince(start_);
    together_->Update(finished_, Formatted("%.1f", speed) + " × real time");
  }

  SeparatedSong SeparateToOutput(Separator& separator, const InputSong& song,
                                 const Separator::Observer& observe) {
    const std::string bits = arguments_.bits.empty() ? "16" : arguments_.bits;
    SampleOutput output(SampleFormatNamed(bits, "--bits"), !arguments_.raw_output);
    const auto stop_unread = [] {
      if (!OutputWorks()) throw Error::Stopped(SIGPIPE, "nobody takes the output");
    };
    const auto begin = [&](const AudioInfo& info) { output.Begin(info); };
    const auto take = [&](const float* samples, std::size_t frames) {
      output.Write(samples, frames);
      stop_unread();
    };
    SeparatedSong result = separator.SeparateTo(song.file, begin, take, observe);
    output.Finish();
    return result;
  }

  void Report(const Separator& separator, const InputSong& song, const SeparatedSong& result,
              double work_seconds) const {
    const double seconds = static_cast<double>(result.frames) / result.sample_rate_hz;
    const double speed = seconds / work_seconds;
    if (result.clipped_samples > 0) {
      Warn(std::to_string(result.clipped_samples) + " samples were clipped in the stems of " +
           song.shown + "; --clip rescale makes all stems quieter instead");
    }
    if (!result.stream_choice.empty())
      Warn(song.shown + " " + result.stream_choice + " (--audio-stream chooses)");
    json damage = json::array();
    for (const Damage& place : result.damage) {
      damage.push_back({{"begin_seconds", place.begin_seconds},
                        {"seconds", place.seconds},
                        {"what", place.what}});
    }
    if (!result.damage.empty()) Warn(song.shown + ": " + DamageText(result.damage));
    const std::string length =
        FormatDuration(seconds) + " of audio, " + Formatted("%.1f", speed) + " × real time";
    if (arguments_.to_output()) {
      if (mode_ == OutputMode::kAuto) WriteError(song.track + ": " + length);
      return;
    }
    json files = json::object();
    for (std::size_t s = 0; s < result.files.size(); ++s)
      files[separator.names()[s]] = result.files[s].string();
    const bool one_file = result.files.size() > 1 && result.files.front() == result.files.back();
    const std::string quieter =
        result.gain == 1
            ? ""
            : ", " + Formatted("%.2f", -PowerToDb(result.gain * result.gain, -200)) + " dB quieter";
    const std::string other_rate = result.stems_rate_hz == result.sample_rate_hz
                                       ? ""
                                       : ", at " + std::to_string(result.stems_rate_hz) +
                                             " Hz, as the format has no " +
                                             std::to_string(result.sample_rate_hz) + " Hz";
    PrintResult(mode_,
                VisibleText(song.track + ": " + std::to_string(result.files.size()) +
                            (result.files.size() == 1 ? " stem in " : " stems in ") +
                            (one_file ? result.files.front() : result.folder).string() + " (" +
                            length + other_rate + quieter + ")"),
                {{"event", "song"},
                 {"input", song.shown},
                 {"track", song.track},
                 {"stems", files},
                 {"frames", result.frames},
                 {"sample_rate_hz", result.sample_rate_hz},
                 {"stems_sample_rate_hz", result.stems_rate_hz},
                 {"channels", result.channels},
                 {"clipped_samples", result.clipped_samples},
                 {"gain", result.gain},
                 {"damage", damage},
                 {"seconds", work_seconds},
                 {"realtime_factor", speed}});
  }

  const std::function<std::shared_ptr<Separator>()>& another_;
  const InputSongs& list_;
  const SongsArguments& arguments_;
  const OutputMode mode_;
  int jobs_;
  std::int64_t memory_ = 0;  // bytes that all of it may take; 0: any number
  std::atomic<bool> separated_ = false;  // a song
  std::atomic<std::size_t> failed_, skipped_ = 0;

  std::mutex mutex_;  // guards what follows
  std::vector<std::shared_ptr<Separator>> idle_;
  std::optional<Progress> together_;  // of all songs, where several are worked on
  std::int64_t finished_ = 0;
  double seconds_ = 0;  // of audio, separated so far
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Throws Error::Usage where this is more than one file.
void CheckIsOneStem(const InputSongs& list, const Separator& separator) {
  const std::size_t stems = separator.names().size();
  if (list.songs.size() != 1 || !list.problems.empty())
    throw Error::Usage("standard output takes one song, not " +
                           std::to_string(list.songs.size() + list.problems.size()),
                       "-o -", "give one song, or a folder for the stems");
  if (stems != 1)
    throw Error::Usage("standard output takes one stem, not " + std::to_string(stems) + " (" +
                           JoinNames(separator.names()) + ")",
                       "-o -", "choose one: --stems " + separator.names().front());
}

}  // namespace

int SeparateSongs(Separator& separator,
                  const std::function<std::shared_ptr<Separator>()>& another,
                  const InputSongs& list, std::vector<fs::path> sources,
                  const std::string& made_with, const SongsArguments& arguments,
                  const json& result_fields) {
  std::unique_ptr<ResultFolder> folder;
  if (arguments.to_output()) {
    CheckIsOneStem(list, separator);
  } else {
    CheckTargets(list, separator, arguments.output, std::move(sources));
    if (!arguments.dry_run) folder = MakeOutputFolder(arguments.output);
  }
  if (arguments.mode == OutputMode::kAuto) {
    for (const std::string& note : list.notes) Warn(note);
  }
  for (const Error& problem : list.problems) {
    ReportFailure(problem, problem.where(), arguments.mode);
  }
  SongsWork work(separator, another, list, arguments);
  try {
    work.Run();
  } catch (const Error& error) {
    // What stops it otherwise is said at the end of the program.
    if (!arguments.to_output() || OutputWorks()) throw;
    return static_cast<int>(ExitCode::kOk);
  }
  const std::size_t failed = work.failed(), skipped = work.skipped();
  const std::size_t all = list.songs.size() + list.problems.size();
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
  if (!arguments.to_output())
    PrintResult(arguments.mode,
                all > 1 && !arguments.dry_run
                    ? std::to_string(done) + " of " + std::to_string(all) +
                          " songs separated with " + made_with +
                          (skipped > 0 ? ", " + std::to_string(skipped) + " skipped" : "")
                    : "",
                result);
  return static_cast<int>(failed > 0 ? ExitCode::kInputFailed : ExitCode::kOk);
}

}  // namespace stemsmith
