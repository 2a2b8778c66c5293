// Composition: a song is a function of (seed, index, seconds) alone. Thread-safe.
#pragma once

#include <cstdint>

#include "synth/song.h"

namespace stemsmith::synth {

// `index` is 0-based; `seconds` ≥ 5.
Song ComposeSong(std::uint64_t seed, int index, double seconds);

}  // namespace stemsmith::synth
