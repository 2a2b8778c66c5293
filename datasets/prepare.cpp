#include "datasets/prepare.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "datasets/cache_index.h"
#include "datasets/readers/readers.h"
#include "datasets/song_mixer.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kLockName[] = ".lock";

// Held while a cache is prepared, so that two runs do not write the same files. File systems
// without flock go without.
class CacheLock {
 public:
  explicit CacheLock(const fs::path& folder) {
    file_ = open((folder / kLockName).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) {
      throw Error::System("cannot write here", folder.string(),
                          "choose a folder that this user may write");
    }
    if (flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      close(file_);
      throw Error::Input("another run is preparing this cache", folder.string(),
                         "wait until it has finished");
    }
  }
  ~CacheLock() { close(file_); }
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

 private:
  int file_ = -1;
};

std::string Quoted(const std::string& word) {
  const bool plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@+%") == word.npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// The command that prepares the same cache again; stale caches advise it.
std::string CommandLine(const PrepareOptions& options) {
  const auto absolute = [](const fs::path& path) {
    return Quoted(fs::absolute(path).lexically_normal().string());
  };
  std::string line = "stemsmith prepare " + options.kind + " " + absolute(options.reader.root) +
                     " --out " + absolute(options.out);
  if (!options.recipe.empty()) line += " --recipe " + absolute(options.recipe);
  if (options.sample_rate_hz != 44100)
    line += " --sample-rate " + std::to_string(options.sample_rate_hz);
  if (options.channels != 0) line += " --channels " + std::to_string(options.channels);
  if (options.format != CacheFormat::kAuto)
    line += std::string(" --format ") + CacheFormatName(options.format);
  if (options.reader.valid_fraction > 0) {
    line += " --valid-fraction " + nlohmann::json(options.reader.valid_fraction).dump();
  }
  if (options.reader.seed != 0) line += " --seed " + std::to_string(options.reader.seed);
  if (!options.reader.splits.empty()) {
    const bool word = options.reader.splits == "original";
    line += " --splits " + (word ? std::string("original") : absolute(options.reader.splits));
  }
  return line;
}

// Temporary files of runs that were killed. Their names start with a dot and the target's name.
void RemoveLeftovers(const fs::path& folder, const std::string& prefix) {
  std::error_code ignored;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(prefix) && name.find(".tmp-") != name.npos)
      leftovers.push_back(it->path());
  }
  for (const fs::path& path : leftovers) fs::remove(path, ignored);
}

struct Song {
  const Track* track = nullptr;
  TrackMix mix;
  fs::path file;
  double megabytes = 0;  // of its sources
  std::optional<TrackRecord> record;
};

class Preparation {
 public:
  explicit Preparation(const PrepareOptions& options)
      : options_(options), folder_(CacheTrackFolder(options.out)) {}
  PrepareResult Run();

 private:
  void Plan();
  int ChannelsOfCache() const;
  void Fail(const std::string& song, const Error& error);
  void FindFreshSongs();
  void MakeSongs();
  void Work();
  void MakeSong(Song& song);
  void ShowProgress();
  void WriteIndex();
  void RemoveGoneSongs();
  void RemoveFolderIfUnused();

  const PrepareOptions& options_;
  const fs::path folder_;
  PrepareTrackOptions track_options_;
  Recipe recipe_;
  std::vector<Track> tracks_;
  std::optional<CacheIndex> old_index_;
  std::vector<Song> songs_;  // those that the recipe can be applied to
  std::vector<Song*> jobs_;

  std::mutex mutex_;  // guards what follows
  PrepareResult result_;
  std::unique_ptr<Progress> progress_;  // once the amount of work is known
  std::optional<Error> fatal_;
  std::exception_ptr unexpected_;
  double megabytes_done_ = 0, megabytes_total_ = 0, seconds_done_ = 0;
  std::chrono::steady_clock::time_point start_;

  std::atomic<std::size_t> next_job_{0};
  std::atomic<bool> stop_{false};
};

void Preparation::Fail(const std::string& song, const Error& error) {
  result_.failures.push_back({song, error});
  const std::string what = error.what(), name = "song \"" + song + "\"";
  const std::string line = "error: " + (what.find(name) == what.npos ? name + ": " + what : what);
  // --quiet and --json silence the progress, not the errors.
  if (options_.mode == OutputMode::kAuto && progress_) {
    progress_->Message(line);
  } else {
    std::cerr << line << '\n';
  }
}

void Preparation::Plan() {
  tracks_ = ScanDataset(options_.kind, options_.reader);
  recipe_ = options_.recipe.empty() ? DefaultRecipe(tracks_) : LoadRecipe(options_.recipe);
  if (recipe_.targets.empty() &&
      std::any_of(tracks_.begin(), tracks_.end(), [](const Track& t) { return !t.problem; })) {
    throw Error::Input("no stem is common to half of the songs", options_.reader.root.string(),
                       "write a recipe and give it with --recipe");
  }
  AddRecordedMixtures(recipe_, tracks_);
  track_options_ = {DatasetFolder(options_.reader),
                    recipe_.stems(),
                    options_.sample_rate_hz,
                    ChannelsOfCache(),
                    options_.format,
                    recipe_.source_channels};
  for (const Track& track : tracks_) {
    try {
      Song song;
      song.track = &track;
      song.mix = ApplyRecipe(recipe_, track);
      song.file = folder_ / CacheTrackFileName(track.name);
      for (const SourceGroup& group : GroupByFile(track)) {
        std::error_code ignored;
        const std::uintmax_t bytes = fs::file_size(group.path, ignored);
        if (!ignored) song.megabytes += static_cast<double>(bytes) / 1e6;
      }
      songs_.push_back(std::move(song));
    } catch (const Error& error) {
      Fail(track.name, error);
    }
  }
}

int Preparation::ChannelsOfCache() const {
  if (options_.channels != 0) return options_.channels;
  return recipe_.source_channels.AllOne() ? 1 : 2;
}

void Preparation::FindFreshSongs() {
  std::map<std::string, const TrackRecord*> indexed;
  if (old_index_) {
    for (const TrackRecord& record : old_index_->tracks) indexed[record.name] = &record;
  }
  for (Song& song : songs_) {
    const auto known = indexed.find(song.track->name);
    song.record = FreshTrack(*song.track, song.mix, track_options_, song.file,
                             known == indexed.end() ? nullptr : known->second);
    if (song.record) {
      ++result_.kept;
    } else {
      jobs_.push_back(&song);
      megabytes_total_ += song.megabytes;
    }
  }
}

void Preparation::ShowProgress() {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double rate = megabytes_done_ / std::max(seconds, 1e-3);
  char detail[96];
  std::snprintf(detail, sizeof detail, "%zu/%zu songs, %.2f h, %.1f MB/s", result_.made,
                jobs_.size(), seconds_done_ / 3600, rate);
  progress_->Update(static_cast<std::int64_t>(megabytes_done_), detail,
                    {{"songs", result_.made},
                     {"songs_total", jobs_.size()},
                     {"hours", seconds_done_ / 3600},
                     {"megabytes_per_second", rate}});
}

void Preparation::MakeSong(Song& song) {
  double told = 0;
  try {
    const auto progress = [&](double share) {
      told += share * song.megabytes;
      const std::lock_guard guard(mutex_);
      megabytes_done_ += share * song.megabytes;
      ShowProgress();
      return stop_.load() || InterruptSignal() != 0;
    };
    TrackRecord record = PrepareTrack(*song.track, song.mix, track_options_, song.file, progress);
    const std::lock_guard guard(mutex_);
    megabytes_done_ += song.megabytes - told;
    seconds_done_ += static_cast<double>(record.frames) / options_.sample_rate_hz;
    ++result_.made;
    song.record = std::move(record);
    ShowProgress();
  } catch (const PrepareStopped&) {
    stop_ = true;
  } catch (const CacheWriteFailed& failure) {
    stop_ = true;
    const std::lock_guard guard(mutex_);
    if (!fatal_) fatal_ = failure.error;
  } catch (const Error& error) {
    const std::lock_guard guard(mutex_);
    megabytes_done_ += song.megabytes - told;
    Fail(song.track->name, error);
  } catch (...) {
    stop_ = true;
    const std::lock_guard guard(mutex_);
    if (!unexpected_) unexpected_ = std::current_exception();
  }
}

void Preparation::Work() {
  while (!stop_ && InterruptSignal() == 0) {
    const std::size_t job = next_job_++;
    if (job >= jobs_.size()) return;
    MakeSong(*jobs_[job]);
  }
}

void Preparation::MakeSongs() {
  progress_ = std::make_unique<Progress>(
      ProgressOptions{"prepare", static_cast<std::int64_t>(megabytes_total_), "MB", options_.mode});
  start_ = std::chrono::steady_clock::now();
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t wanted = options_.threads > 0 ? options_.threads : cores;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::min(wanted, jobs_.size()); ++i) {
    threads.emplace_back([this] { Work(); });
  }
  for (std::thread& thread : threads) thread.join();
  progress_->Finish();
  if (unexpected_) std::rethrow_exception(unexpected_);
  if (fatal_) {
    throw Error(fatal_->code(), fatal_->problem(), fatal_->where(),
                (fatal_->advice().empty() ? "" : fatal_->advice() + "; ") +
                    std::string("songs that are finished are kept"));
  }
}

void Preparation::WriteIndex() {
  CacheIndex index;
  index.stems = recipe_.stems();
  index.sample_rate_hz = options_.sample_rate_hz;
  index.channels = track_options_.channels;
  index.kind = options_.kind;
  bool changed = false;  // paths that are not UTF-8 are only shown; their sources count as absent
  index.root = AsUtf8(fs::absolute(track_options_.root).lexically_normal().string(), &changed);
  index.recipe = recipe_.text;
  index.command = AsUtf8(CommandLine(options_), &changed);
  for (Song& song : songs_) {
    if (!song.record) continue;
    TrackRecord record = *song.record;
    record.name = song.track->name;
    record.split = song.track->split;
    record.file = (folder_.filename() / song.file.filename()).string();
    result_.hours += static_cast<double>(record.frames) / options_.sample_rate_hz / 3600;
    result_.bytes += static_cast<double>(record.bytes);
    index.tracks.push_back(std::move(record));
  }
  if (index.tracks.empty()) return;
  WriteCacheIndex(options_.out, index);
  result_.wrote_index = true;
  RemoveGoneSongs();
}

void Preparation::RemoveGoneSongs() {
  // Songs that failed this time keep the file they had: it may be good again once they are mended.
  std::set<std::string> known;
  for (const Track& track : tracks_) known.insert(CacheTrackFileName(track.name));
  std::error_code ignored;
  std::vector<fs::path> gone;
  for (fs::directory_iterator it(folder_, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (it->path().extension() == ".h5" && !known.contains(it->path().filename().string())) {
      gone.push_back(it->path());
    }
  }
  for (const fs::path& path : gone) result_.removed += fs::remove(path, ignored);
}

void Preparation::RemoveFolderIfUnused() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    if (entry.path().filename() != kLockName) return;
  }
  fs::remove(folder_ / kLockName, ignored);
  fs::remove(folder_, ignored);
}

PrepareResult Preparation::Run() {
  // Without this a limit on file sizes kills the process; as an error it is reported like a full
  // disk.
  std::signal(SIGXFSZ, SIG_IGN);
  old_index_ = ReadReplaceableIndex(options_.out);
  Plan();
  if (!songs_.empty()) {
    EnsureWritableFolder(options_.out.has_parent_path() ? options_.out.parent_path() : ".");
    EnsureWritableFolder(folder_);
    const CacheLock lock(folder_);
    RemoveLeftovers(folder_, ".");
    RemoveLeftovers(options_.out.has_parent_path() ? options_.out.parent_path() : fs::path("."),
                    "." + options_.out.filename().string() + ".tmp-");
    try {
      FindFreshSongs();
      MakeSongs();
      result_.interrupted = InterruptSignal();
      if (result_.interrupted == 0) WriteIndex();
    } catch (...) {
      RemoveFolderIfUnused();
      throw;
    }
    if (!result_.wrote_index) RemoveFolderIfUnused();
  }
  std::sort(result_.failures.begin(), result_.failures.end(),
            [](const SongFailure& a, const SongFailure& b) { return a.song < b.song; });
  return std::move(result_);
}

}  // namespace

PrepareResult PrepareCache(const PrepareOptions& options) { return Preparation(options).Run(); }

}  // namespace stemsmith
