// What the doctor finds in one song, decoded as streams.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "datasets/doctor/finding.h"
#include "datasets/doctor/recording.h"
#include "datasets/readers/track.h"
#include "datasets/recipes/recipe.h"

namespace stemsmith {

struct SongReport {
  struct Target {
    bool has_sources = false;
    double seconds = 0, sounding_seconds = 0;
  };
  struct Print {
    std::string stem;  // empty: of the whole song
    RecordingPrint print;
  };
  std::vector<Finding> findings;
  double seconds = 0;           // the longest source
  int sample_rate_hz = 0;       // of the first source that could be opened; 0: none
  std::vector<Target> targets;  // none where no recipe applies
  // One of the song, or one per source where these are unrelated takes; none where a file could
  // not be read.
  std::vector<Print> prints;
};

// Thrown when `progress` says so.
struct DoctorStopped {};

// `mix` is the recipe applied to the track, null where it does not apply. `progress` is told the
// share of the song that was newly read (sums to at most 1) and says whether to stop. Problems of
// the files are findings; throws nothing but DoctorStopped and std::bad_alloc.
SongReport ExamineSong(const Track& track, const TrackMix* mix, const DoctorLimits& limits,
                       const std::function<bool(double share)>& progress);

}  // namespace stemsmith
