// Excerpts of validation songs, separated by the model as it stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/cache/cache.h"
#include "separate/runtime.h"
#include "train/report/excerpt.h"

namespace stemsmith {

struct ExcerptOptions {
  std::string split = "valid";
  std::int64_t songs = 3;  // the first of the split
  double seconds = 8.0;    // of each: where most stems are loud
};

// One thread at a time.
class ExcerptSource {
 public:
  // `cache` must outlive it. A cache of spectrograms has none.
  ExcerptSource(const CacheReader& cache, const ExcerptOptions& options);
  bool empty() const { return places_.empty(); }
  // As `separate` takes them, by the same code. `runtime` gives the cache's stems.
  ExcerptSet Separate(Runtime& runtime, std::int64_t step) const;

 private:
  struct Place {
    std::size_t track = 0;
    std::int64_t start = 0, frames = 0;
  };
  const CacheReader& cache_;
  ExcerptOptions options_;
  std::vector<Place> places_;
};

}  // namespace stemsmith
