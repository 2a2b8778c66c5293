// The settings of the method `forest` (configs/baselines/forest.yaml).
#pragma once

#include <cstdint>

#include "audio/stft.h"
#include "baselines/parted_song.h"
#include "core/config.h"

namespace stemsmith {

struct ForestOptions {
  double mask_power = 1;  // higher divides more sharply
  PartOptions parts;
  // What it is fitted with, and from then on bound to.
  StftOptions stft;
  int bands = 36;
  int songs = 10;        // to learn from, at most
  double seconds = 60;   // of each song, at most
  int samples = 50'000;  // bands of frames that are learnt from, of all songs together
  int trees = 16;        // per stem
  int depth = 16;        // of a tree, at most
  int smallest_leaf = 40;
  std::uint64_t seed = 1;
};
// All settings of the method but which file `model` names; throws Error.
ForestOptions ReadForestOptions(const Config& settings);

}  // namespace stemsmith
