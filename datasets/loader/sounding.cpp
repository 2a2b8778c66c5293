#include "datasets/loader/sounding.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/decibel.h"
#include "datasets/cache/track_format.h"

namespace stemsmith {

Sounding::Sounding(const CacheReader& cache, const std::vector<std::size_t>& tracks,
                   double min_rms_db)
    : min_mean_square_(PowerFromDb(min_rms_db)),
      stems_(cache.stems().size()),
      sample_rate_hz_(cache.sample_rate_hz()) {
  tracks_.reserve(tracks.size());
  for (const std::size_t number : tracks) {
    const CachedTrack& track = cache.tracks()[number];
    TrackLevels levels{.frames = track.frames, .mean_squares = cache.ReadLevels(number)};
    for (float& level : levels.mean_squares)
      level = level <= kLowestRmsDb ? 0.0f : std::pow(10.0f, level / 10.0f);
    for (const double rms_db : track.rms_db) levels.present.push_back(rms_db >= min_rms_db);
    tracks_.push_back(std::move(levels));
  }
}

double Sounding::MeanSquare(std::size_t track, std::size_t stem, std::int64_t start,
                            std::int64_t frames) const {
  const TrackLevels& levels = tracks_[track];
  const std::int64_t end = std::min(start + frames, levels.frames);
  double sum = 0;
  for (std::int64_t at = std::max<std::int64_t>(start, 0); at < end;) {
    const std::int64_t second = at / sample_rate_hz_;
    const std::int64_t next = std::min(end, (second + 1) * sample_rate_hz_);
    sum += static_cast<double>(next - at) *
           levels.mean_squares[static_cast<std::size_t>(second) * stems_ + stem];
    at = next;
  }
  return sum / static_cast<double>(frames);
}

bool Sounding::Sounds(const ReadPlan& plan, std::size_t stem) const {
  const ReadPlan::Piece& piece = plan.stems[stem];
  return MeanSquare(piece.track, stem, piece.start_frame, plan.frames) >= min_mean_square_;
}

Sounding::Verdict Sounding::JudgeAll(const ReadPlan& plan) const {
  int asked = 0, sounding = 0;
  for (std::size_t stem = 0; stem < plan.stems.size(); ++stem) {
    if (!tracks_[plan.stems[stem].track].present[stem]) continue;
    ++asked;
    sounding += Sounds(plan, stem);
  }
  return {.sounding = sounding, .enough = sounding > 0 && sounding == asked};
}

Sounding::Verdict Sounding::JudgeOne(const ReadPlan& plan, std::size_t stem) const {
  const bool sounds = Sounds(plan, stem);
  return {.sounding = sounds, .enough = sounds};
}

std::int64_t Sounding::bytes() const {
  std::size_t bytes = 0;
  for (const TrackLevels& track : tracks_) bytes += track.mean_squares.size() * sizeof(float);
  return static_cast<std::int64_t>(bytes);
}

}  // namespace stemsmith
