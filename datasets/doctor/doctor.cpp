#include "datasets/doctor/doctor.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/for_each_song.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/doctor/recording.h"
#include "datasets/doctor/song.h"
#include "datasets/recipes/advice.h"
#include "datasets/recipes/recipe.h"

namespace stemsmith {
namespace {

constexpr char kTrain[] = "train";

class Doctor {
 public:
  explicit Doctor(const DoctorOptions& options) : options_(options) {}
  DoctorResult Run();

 private:
  struct Song {
    const Track* track = nullptr;
    std::optional<Track> new_takes;  // what is examined of unrelated takes
    std::optional<TrackMix> mix;
    double megabytes = 0;
    std::optional<SongReport> report;

    const Track& examined() const { return new_takes ? *new_takes : *track; }
  };

  void Plan();
  void FindSplits();
  void LeaveOutKnownTakes(Song& song);
  void ExamineSongs();
  void Examine(Song& song, const StopQuestion& stop);
  void ShowProgress(double megabytes);
  void Collect();
  void CompareRecordings();
  void JudgeTargets();
  void FindInTrack(const Track& track, const char* kind, const Error& error);

  const DoctorOptions& options_;
  std::vector<Track> tracks_;
  Recipe recipe_;
  std::vector<Song> songs_;
  std::set<std::tuple<std::string, std::filesystem::path, int>> takes_;  // split, file, stream
  DoctorResult result_;

  std::mutex mutex_;  // guards what follows
  std::optional<Progress> progress_;
  double megabytes_done_ = 0;
  std::size_t songs_done_ = 0;
};

void Doctor::FindInTrack(const Track& track, const char* kind, const Error& error) {
  const std::string song = "song \"" + track.name + "\"";
  std::string what = error.problem();
  // The song stands in a column of its own.
  if (error.where().starts_with(song + " ")) {
    what += ": the song " + error.where().substr(song.size() + 1);
  } else if (!error.where().empty() && error.where() != song) {
    what += " (" + error.where() + ")";
  }
  result_.findings.push_back(
      {Severity::kError, kind, track.split, track.name, "", what, error.advice()});
}

void Doctor::Plan() {
  std::vector<UnusedThings> unused;
  tracks_ = ScanDataset(options_.kind, options_.reader, &unused);
  for (UnusedThings& things : unused) {
    result_.findings.push_back({Severity::kRemark, "unused", "", "", "", std::move(things.what),
                                std::move(things.advice), std::move(things.names)});
  }
  recipe_ = options_.recipe.empty() ? DefaultRecipe(tracks_) : LoadRecipe(options_.recipe);
  const bool usable = std::any_of(tracks_.begin(), tracks_.end(),
                                  [](const Track& track) { return !track.problem; });
  if (recipe_.targets.empty() && usable) {
    result_.findings.push_back({Severity::kError, "recipe", "", "", "",
                                "no stem is common to half of the songs",
                                AdviceWithoutCommonStem(tracks_)});
  }
  // What the layout lacks is told as such; what the recipe asks for besides is told by ApplyRecipe.
  std::vector<bool> broken;
  for (const Track& track : tracks_) broken.push_back(track.problem.has_value());
  const auto add = [&](const std::vector<TrainingDoubt>& doubts) {
    for (const TrainingDoubt& doubt : doubts)
      result_.findings.push_back(
          {Severity::kRemark, "recipe", "", "", doubt.stem, doubt.what, doubt.advice});
  };
  add(DoubtsAboutPatterns(recipe_, tracks_));
  FitTracks(recipe_, tracks_);
  add(DoubtsAboutTraining(recipe_, tracks_));
  for (const Track& track : tracks_) {
    ++result_.songs[track.split];
    if (broken[static_cast<std::size_t>(&track - tracks_.data())]) {
      FindInTrack(track, "layout", *track.problem);
      continue;
    }
    Song& song = songs_.emplace_back();
    song.track = &track;
    if (!recipe_.targets.empty()) {
      try {
        song.mix = ApplyRecipe(recipe_, track);
      } catch (const Error& error) {
        FindInTrack(track, "recipe", error);
      }
    }
    if (track.unrelated_takes) LeaveOutKnownTakes(song);
    for (const SourceStem& source : song.examined().sources) {
      std::error_code ignored;
      const std::uintmax_t bytes = std::filesystem::file_size(source.path, ignored);
      if (!ignored) song.megabytes += static_cast<double>(bytes) / 1e6;
    }
  }
}

// `train` then has no figures, and cannot choose among its checkpoints.
void Doctor::FindSplits() {
  std::map<std::string, std::size_t> usable;
  for (const Song& song : songs_) ++usable[song.track->split];
  if (usable[kTrain] == 0 || usable["valid"] > 0) return;
  const std::string where = options_.reader.splits.empty()
                                ? "put some into a folder (or split) `valid`"
                                : "name some as `valid` in " + options_.reader.splits.string();
  result_.findings.push_back(
      {Severity::kRemark, "split", "", "", "",
       "no song is for validation: training could not say how good the model is, nor which "
       "of its weights are the best",
       usable[kTrain] > 1 && options_.reader.splits.empty()
           ? "prepare with " + Option("valid-fraction", "0.1") + ", or " + where
           : (usable[kTrain] > 1 ? "" : "add songs, and ") + where});
}

// A pool with few takes lends them to several songs: each is examined, counted and compared once.
void Doctor::LeaveOutKnownTakes(Song& song) {
  const Track& track = *song.track;
  song.new_takes = track;
  song.new_takes->sources.clear();
  std::vector<std::optional<std::size_t>> place(track.sources.size());
  for (std::size_t s = 0; s < track.sources.size(); ++s) {
    const SourceStem& source = track.sources[s];
    if (!takes_.emplace(track.split, source.path, source.stream).second) continue;
    place[s] = song.new_takes->sources.size();
    song.new_takes->sources.push_back(source);
  }
  if (!song.mix) return;
  for (std::vector<MixPart>& target : *song.mix) {
    std::erase_if(target, [&](const MixPart& part) { return !place[part.source]; });
    for (MixPart& part : target) part.source = *place[part.source];
  }
}

void Doctor::ShowProgress(double megabytes) {
  megabytes_done_ += megabytes;
  progress_->Update(static_cast<std::int64_t>(megabytes_done_),
                    Formatted("%zu/%zu songs", songs_done_, songs_.size()),
                    {{"songs", songs_done_}, {"songs_total", songs_.size()}});
}

void Doctor::Examine(Song& song, const StopQuestion& stop) {
  double told = 0;
  const auto progress = [&](double share) {
    told += share;
    const std::lock_guard guard(mutex_);
    ShowProgress(share * song.megabytes);
    return stop();
  };
  try {
    SongReport report =
        ExamineSong(song.examined(), song.mix ? &*song.mix : nullptr, options_.limits, progress);
    const std::lock_guard guard(mutex_);
    song.report = std::move(report);
    ++songs_done_;
    ShowProgress((1 - told) * song.megabytes);
  } catch (const DoctorStopped&) {
  }
}

void Doctor::ExamineSongs() {
  double megabytes = 0;
  for (const Song& song : songs_) megabytes += song.megabytes;
  progress_.emplace(options_.host, Task{"doctor", static_cast<std::int64_t>(megabytes), "MB"});
  result_.interrupted = ForEachSong(
      songs_.size(), options_.threads, options_.host,
      [this](std::size_t song, const StopQuestion& stop) { Examine(songs_[song], stop); });
  progress_->Finish();
}

void Doctor::Collect() {
  for (const std::string& name : recipe_.stems()) result_.targets.push_back({name, {}});
  for (const Song& song : songs_) {
    if (!song.report) continue;
    const SongReport& report = *song.report;
    result_.findings.insert(result_.findings.end(), report.findings.begin(), report.findings.end());
    result_.hours += report.seconds / 3600;
    if (report.sample_rate_hz > 0) ++result_.sample_rates[report.sample_rate_hz];
    for (std::size_t t = 0; t < report.targets.size(); ++t) {
      TargetAudio::Share& share = result_.targets[t].splits[song.track->split];
      share.songs += report.targets[t].has_sources;
      share.hours += report.targets[t].seconds / 3600;
      share.sounding_hours += report.targets[t].sounding_seconds / 3600;
    }
  }
}

void Doctor::CompareRecordings() {
  std::vector<RecordingPrint> prints;
  std::vector<std::pair<const Track*, std::string>> owners;
  for (Song& song : songs_) {
    if (!song.report) continue;
    for (SongReport::Print& print : song.report->prints) {
      prints.push_back(std::move(print.print));
      owners.emplace_back(song.track, print.stem);
    }
  }
  for (const SameRecording& same : FindSameRecordings(prints, options_.limits)) {
    const auto& [first, first_stem] = owners[same.first];
    const auto& [second, second_stem] = owners[same.second];
    // Told at the song for training, which is the one to remove.
    const bool swap = second->split == kTrain && first->split != kTrain;
    const Track& here = swap ? *second : *first;
    const Track& there = swap ? *first : *second;
    const std::string& there_stem = swap ? first_stem : second_stem;
    const bool across = here.split != there.split;
    const std::string other = there.split + "/" + there.name;
    result_.findings.push_back(
        {across ? Severity::kError : Severity::kRemark, "duplicate", here.split, here.name,
         swap ? second_stem : first_stem,
         "the same recording as " + other + (there_stem.empty() ? "" : ", " + there_stem) +
             Formatted(" (%.0f %% of the fingerprint agree)", 100 * (1 - same.bit_error)),
         across ? "remove one of them: a figure of a song that training has seen says nothing"
                : "it counts twice; remove one of them"});
  }
}

void Doctor::JudgeTargets() {
  for (const TargetAudio& target : result_.targets) {
    const auto train = target.splits.find(kTrain);
    if (train == target.splits.end()) continue;
    const TargetAudio::Share& share = train->second;
    double hours = 0;  // of all songs for training
    for (const Song& song : songs_) {
      if (song.report && song.track->split == kTrain) hours += song.report->seconds / 3600;
    }
    if (share.sounding_hours <= 0) {
      // Without a recipe nobody asked for the target: songs of another split alone have it.
      const bool asked = !options_.recipe.empty() || share.songs > 0;
      result_.findings.push_back({asked ? Severity::kError : Severity::kRemark, "target", kTrain,
                                  "", target.name, "never sounds in the songs for training",
                                  asked ? "look at the recipe, or leave this stem out of it"
                                        : "write a recipe and give it with " + Option("recipe")});
    } else if (share.sounding_hours < options_.limits.rare_target_share * hours) {
      result_.findings.push_back(
          {Severity::kRemark, "target", kTrain, "", target.name,
           "sounds for " + FormatDuration(3600 * share.sounding_hours) + " of " +
               FormatDuration(3600 * hours) + " only",
           "add songs that have it, or sum it with another stem in the recipe"});
    }
  }
}

DoctorResult Doctor::Run() {
  Plan();
  FindSplits();
  ExamineSongs();
  Collect();
  CompareRecordings();
  // Half a dataset says nothing about what is rare.
  if (result_.interrupted == 0) JudgeTargets();
  std::stable_sort(
      result_.findings.begin(), result_.findings.end(), [](const Finding& a, const Finding& b) {
        return std::tie(a.severity, a.split, a.song) < std::tie(b.severity, b.split, b.song);
      });
  return std::move(result_);
}

}  // namespace

std::size_t DoctorResult::errors() const {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [](const Finding& finding) { return finding.severity == Severity::kError; }));
}

DoctorResult ExamineDataset(const DoctorOptions& options) { return Doctor(options).Run(); }

}  // namespace stemsmith
