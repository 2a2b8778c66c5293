// Builds a small cache from buffers in memory: for tests, tools and bindings. Long songs go through
// `stemsmith prepare` (datasets/prepare/prepare.h), which streams.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "datasets/cache/index.h"

namespace stemsmith {

class CacheBuilder {
 public:
  // `path` is the index (cache.h5). `format` gives stems, rate, channels and sample type; the
  // scale is chosen per track. Not thread-safe.
  CacheBuilder(std::filesystem::path path, TrackFormat format);
  // Adds a track from planar audio [S, C, frames]. Names must differ.
  void AddTrack(const std::string& name, const std::string& split, std::span<const float> stems);
  // Writes the index, after which CacheReader opens the cache.
  void Finish();

 private:
  std::filesystem::path path_;
  TrackFormat format_;
  CacheIndex index_;
};

}  // namespace stemsmith
