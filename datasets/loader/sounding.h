// Whether the stems of a planned sample sound: judged by the levels that the cache holds for each
// second, without reading audio. Immutable, shared by threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "augment/augment.h"
#include "datasets/cache/cache.h"

namespace stemsmith {

class Sounding {
 public:
  // `tracks`: numbers in the cache of the tracks that plans draw from, in the order of their table.
  // A stem sounds where its level over a segment is `min_rms_db` or more. Throws DamagedAudio.
  Sounding(const CacheReader& cache, const std::vector<std::size_t>& tracks, double min_rms_db);

  struct Verdict {
    int sounding = 0;  // of the stems that were asked for
    bool enough = false;
  };
  // All stems have to sound, but for those that are quieter than that over their whole song (a song
  // may lack a stem); at least one has to.
  Verdict JudgeAll(const ReadPlan& plan) const;
  // Only this stem has to sound.
  Verdict JudgeOne(const ReadPlan& plan, std::size_t stem) const;

  // Of frames [start, start + frames) of a stem; outside the track is silence.
  double MeanSquare(std::size_t track, std::size_t stem, std::int64_t start,
                    std::int64_t frames) const;
  std::int64_t bytes() const;  // of memory

 private:
  struct TrackLevels {
    std::int64_t frames = 0;
    std::vector<float> mean_squares;  // [seconds, S]
    std::vector<bool> present;        // [S]: reaches the level over the whole song
  };
  bool Sounds(const ReadPlan& plan, std::size_t stem) const;

  double min_mean_square_;
  std::size_t stems_;
  int sample_rate_hz_;
  std::vector<TrackLevels> tracks_;
};

}  // namespace stemsmith
