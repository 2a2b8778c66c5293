// Validation on whole songs: each goes through the model as `separate` takes it, by the same code
// (StemStream), and its stems are compared over all their length.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "datasets/cache/cache.h"
#include "separate/runtime.h"

namespace stemsmith {

struct SongValidationOptions {
  std::string split = "valid";
  double max_seconds = 0.0;       // 0: all songs, however long it takes
  std::function<double()> clock;  // seconds since any moment; none: the system's
};

struct SongFigures {
  // [S]: medians over the songs; NaN where a stem is silent in all of them.
  std::vector<double> sdr_db;
  std::vector<double> nsdr_db;               // SDR less that of the mixture taken as the estimate
  double mean_sdr_db = 0, mean_nsdr_db = 0;  // over the stems that have one; NaN when none has
  std::vector<std::string> songs;            // that were judged, in order
  std::vector<std::string> left_out;         // for lack of time
  double seconds = 0;

  // {"sdr_db": {STEM: …}, "nsdr_db", "mean_sdr_db", "mean_nsdr_db", "songs", "left_out",
  // "seconds"}; what is not finite becomes null.
  nlohmann::json ToJson(const std::vector<std::string>& stems) const;
};

// One thread at a time. Memory does not depend on the songs' length.
//
// The songs come in an order drawn from their names, the same each time: those that the time allows
// are a random choice, not the shortest or the first in the alphabet, and figures of one run can be
// compared. Where the time ends within a song, that song is left out.
class SongValidation {
 public:
  // `cache` holds audio and must outlive it.
  SongValidation(const CacheReader& cache, SongValidationOptions options);
  const std::vector<std::size_t>& tracks() const { return tracks_; }  // in order
  // `runtime` is the model as it stands (ModelRuntime) or one that was exported, and gives the
  // cache's stems.
  SongFigures Run(Runtime& runtime) const;

 private:
  struct Sums;  // of one song
  // False when the time ends before the song does.
  bool Judge(std::size_t track, Runtime& runtime, double deadline, Sums& sums) const;

  const CacheReader& cache_;
  SongValidationOptions options_;
  std::vector<std::size_t> tracks_;
};

}  // namespace stemsmith
