#include "datasets/prepare/prepare.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/for_each_song.h"
#include "core/length_text.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/cache/index.h"
#include "datasets/prepare/forecast.h"
#include "datasets/prepare/lock.h"
#include "datasets/prepare/track.h"
#include "datasets/readers/readers.h"
#include "datasets/recipes/advice.h"
#include "datasets/recipes/song_mixer.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Temporary files of runs that were killed. Their names start with a dot and the target's name.
void RemoveTemporaryFiles(const fs::path& folder, const std::string& prefix) {
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
  void CheckSpectrogram() const;
  void Fail(const std::string& song, const Error& error);
  void FailPlanned(const std::vector<SongFailure>& failures);
  void FindFreshSongs();
  void MakeSongs();
  void MakeSong(Song& song, const StopQuestion& stop);
  void ShowProgress();
  void Account();
  void WriteIndex();
  void RemoveGoneSongs();
  void RemoveLeftovers();
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
  std::optional<Progress> progress_;  // once the amount of work is known
  double megabytes_done_ = 0, megabytes_total_ = 0, seconds_done_ = 0;
  std::chrono::steady_clock::time_point start_;
};

void Preparation::Fail(const std::string& song, const Error& error) {
  result_.failures.push_back({song, error});
  const std::string what = error.text(), name = "song \"" + song + "\"";
  Tell(options_.host.error, what.find(name) == what.npos ? name + ": " + what : what);
}

// Songs that fail for the same reason are told together: a wrong name in a recipe is one line, and
// not one per song.
void Preparation::FailPlanned(const std::vector<SongFailure>& failures) {
  std::vector<bool> told(failures.size());
  for (std::size_t i = 0; i < failures.size(); ++i) {
    if (told[i]) continue;
    const Error& error = failures[i].error;
    std::size_t alike = 0;
    for (std::size_t k = i; k < failures.size(); ++k) {
      const Error& other = failures[k].error;
      if (other.problem() != error.problem() || other.advice() != error.advice()) continue;
      told[k] = true;
      ++alike;
      if (k > i) result_.failures.push_back(failures[k]);
    }
    if (alike == 1) {
      Fail(failures[i].song, error);
      continue;
    }
    result_.failures.push_back(failures[i]);
    const std::string where = error.where().empty() ? failures[i].song : error.where();
    Tell(options_.host.error, Error::Input(std::to_string(alike) + " songs: " + error.problem(),
                                           "the first: " + where, error.advice())
                                  .text());
  }
}

void Preparation::Plan() {
  std::vector<UnusedThings> unused;
  tracks_ = ScanDataset(options_.kind, options_.reader, &unused);
  for (const UnusedThings& things : unused)
    options_.host.Warn(options_.reader.root.string() + ": " + things.what + "; " + things.advice);
  recipe_ = options_.recipe.empty() ? DefaultRecipe(tracks_) : LoadRecipe(options_.recipe);
  if (recipe_.targets.empty() &&
      std::any_of(tracks_.begin(), tracks_.end(), [](const Track& t) { return !t.problem; })) {
    throw Error::Input("no stem is common to half of the songs", options_.reader.root.string(),
                       AdviceWithoutCommonStem(tracks_));
  }
  WarnOfDoubts(DoubtsAboutPatterns(recipe_, tracks_), options_.host.warn);
  FitTracks(recipe_, tracks_);
  WarnOfDoubts(DoubtsAboutTraining(recipe_, tracks_), options_.host.warn);
  track_options_ = {DatasetFolder(options_.reader),
                    recipe_.stems(),
                    options_.sample_rate_hz,
                    ChannelsOfCache(),
                    options_.format,
                    recipe_.source_channels,
                    options_.trim,
                    options_.compression,
                    options_.spectrogram,
                    options_.on_damage};
  CheckSpectrogram();
  std::vector<SongFailure> failures;
  for (std::size_t place = 0; place < tracks_.size(); ++place) {
    if (!options_.shard.Has(place)) continue;
    const Track& track = tracks_[place];
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
      failures.push_back({track.name, error});
    }
  }
  FailPlanned(failures);
}

void Preparation::CheckSpectrogram() const {
  if (!options_.spectrogram) return;
  const std::string where = Option("spectrogram");
  if (!SpectrogramFormatFrom(ToJson(*options_.spectrogram))) {
    throw Error::Usage("no STFT of n_fft " + std::to_string(options_.spectrogram->n_fft) +
                           ", hop " + std::to_string(options_.spectrogram->hop),
                       where,
                       "give an even n_fft up to " +
                           std::to_string(SpectrogramFormat::kLargestFft) +
                           " and a hop up to half of it, such as 4096,1024");
  }
  if (options_.format == CacheFormat::kInt16) {
    throw Error::Usage("magnitudes do not fit into int16", Option("format"),
                       "give float16 or float32 with " + Option("spectrogram"));
  }
  TrackFormat format;
  format.stems = track_options_.stems;
  format.channels = track_options_.channels;
  format.spectrogram = options_.spectrogram;
  if (format.stored_columns() > kMostColumns) {
    throw Error::Usage("stems, channels and n_fft together give rows that are too long", where,
                       "give a smaller n_fft");
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
  const std::string detail = Formatted("%zu/%zu songs, ", result_.made, jobs_.size()) +
                             LengthText(seconds_done_) + Formatted(", %.1f MB/s", rate);
  progress_->Update(static_cast<std::int64_t>(megabytes_done_), detail,
                    {{"songs", result_.made},
                     {"songs_total", jobs_.size()},
                     {"hours", seconds_done_ / 3600},
                     {"megabytes_per_second", rate}});
}

void Preparation::MakeSong(Song& song, const StopQuestion& stop) {
  double told = 0;
  try {
    const auto progress = [&](double share) {
      told += share * song.megabytes;
      const std::lock_guard guard(mutex_);
      megabytes_done_ += share * song.megabytes;
      ShowProgress();
      return stop();
    };
    auto [record, notes] = PrepareTrack(*song.track, song.mix, track_options_, song.file, progress);
    const std::lock_guard guard(mutex_);
    for (const std::string& note : notes)
      options_.host.Warn("song \"" + song.track->name + "\": " + note);
    result_.notes.insert(result_.notes.end(), notes.begin(), notes.end());
    megabytes_done_ += song.megabytes - told;
    seconds_done_ += static_cast<double>(record.frames) / options_.sample_rate_hz;
    ++result_.made;
    song.record = std::move(record);
    ShowProgress();
  } catch (const PrepareStopped&) {
  } catch (const CacheWriteFailed& failure) {
    const Error& error = failure.error;
    throw Error(error.code(), error.problem(), error.where(),
                (error.advice().empty() ? "" : error.advice() + "; ") +
                    std::string("songs that are finished are kept"));
  } catch (const Error& error) {
    const std::lock_guard guard(mutex_);
    megabytes_done_ += song.megabytes - told;
    Fail(song.track->name, error);
  }
}

void Preparation::MakeSongs() {
  progress_.emplace(options_.host,
                    Task{"prepare", static_cast<std::int64_t>(megabytes_total_), "MB"});
  std::vector<SongToPrepare> songs;
  for (const Song* job : jobs_) songs.push_back({job->track, &job->mix});
  for (const std::string& line :
       ForecastPreparation(songs, track_options_, options_.threads, options_.host)) {
    progress_->Message(line);
  }
  start_ = std::chrono::steady_clock::now();
  result_.interrupted = ForEachSong(
      jobs_.size(), options_.threads, options_.host,
      [this](std::size_t job, const StopQuestion& stop) { MakeSong(*jobs_[job], stop); });
  progress_->Finish();
}

void Preparation::Account() {
  for (const Song& song : songs_) {
    if (!song.record) continue;
    const double seconds = static_cast<double>(song.record->frames) / options_.sample_rate_hz;
    result_.hours += seconds / 3600;
    result_.bytes += static_cast<double>(song.record->bytes);
    result_.shorter += IsShorterThanExcerpt(song.record->frames, track_options_);
  }
}

void Preparation::WriteIndex() {
  CacheIndex index;
  index.stems = recipe_.stems();
  index.sample_rate_hz = options_.sample_rate_hz;
  index.channels = track_options_.channels;
  index.spectrogram = options_.spectrogram;
  index.kind = options_.kind;
  bool changed = false;  // paths that are not UTF-8 are only shown; their sources count as absent
  index.root = AsUtf8(fs::absolute(track_options_.root).lexically_normal().string(), &changed);
  index.recipe = recipe_.text;
  index.command = AsUtf8(PrepareCommandLine(options_), &changed);
  for (Song& song : songs_) {
    if (!song.record) continue;
    TrackRecord record = *song.record;
    record.name = song.track->name;
    record.split = song.track->split;
    record.file = (folder_.filename() / song.file.filename()).string();
    index.tracks.push_back(std::move(record));
  }
  if (index.tracks.empty()) return;
  WriteCacheIndex(options_.out, index);
  result_.wrote_index = true;
  RemoveGoneSongs();
}

void Preparation::RemoveGoneSongs() {
  // Songs that failed this time keep the file they had: it may be good again once they are fixed.
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

// What killed runs and finished shards left.
void Preparation::RemoveLeftovers() {
  RemoveTemporaryFiles(folder_, ".");
  RemoveTemporaryFiles(options_.out.has_parent_path() ? options_.out.parent_path() : fs::path("."),
                       "." + options_.out.filename().string() + ".tmp-");
  PrepareLock::RemoveShardLocks(folder_);
}

void Preparation::RemoveFolderIfUnused() {
  if (!options_.shard.all()) return;  // other shards may be at work
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    if (!PrepareLock::IsLock(entry.path())) return;
  }
  fs::remove_all(folder_, ignored);
}

PrepareResult Preparation::Run() {
  old_index_ = ReadReplaceableIndex(options_.out);
  Plan();
  if (!songs_.empty()) {
    EnsureWritableFolder(options_.out.has_parent_path() ? options_.out.parent_path() : ".");
    EnsureWritableFolder(folder_);
    const PrepareLock lock(folder_, options_.shard);
    if (options_.shard.all()) RemoveLeftovers();
    try {
      FindFreshSongs();
      MakeSongs();
      Account();
      if (result_.interrupted == 0 && options_.shard.all()) WriteIndex();
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
