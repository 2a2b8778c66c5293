// Fitting the method `forest`: a random forest that learns from songs which share of each band of
// frequencies belongs to which stem (baselines/forest.cpp separates by it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "baselines/forest_options.h"
#include "core/host.h"

namespace stemsmith {

// The songs to learn from, wherever they lie.
struct ForestSongs {
  struct Song {
    std::string name;
    std::int64_t frames = 0;
  };
  std::vector<std::string> stems;
  int sample_rate_hz = 0, channels = 0;
  std::vector<Song> songs;
  // Frames [start, start + frames) of all stems of a song: planar [S, C, frames], whose sum is the
  // mixture.
  std::function<void(std::size_t song, std::int64_t start, std::int64_t frames, float* out)> read;
};

struct ForestFitRequest {
  ForestSongs songs;
  ForestOptions options;
  std::filesystem::path out;
  Host host;  // shows the trees; asked between them whether to stop
};

// Writes the forest to `out`, which appears whole or not at all; the same request gives the same
// bytes. Holds an excerpt of a song, the samples and the trees in memory. Throws Error: no songs,
// all of them silent, a build without OpenCV, a disk that fails; Error::Stopped where the host asks
// to stop.
void FitForest(const ForestFitRequest& request);

}  // namespace stemsmith
