// Changes of a stem that need no look at its samples, and the one pass over the audio that makes
// them and sums the mixture. Functions are thread safe on different audio.
#pragma once

#include <cstdint>
#include <span>

#include "augment/augment.h"

namespace stemsmith {

// Makes `changes`, one per stem (or none at all), in frames [from, to) of the block, and writes
// these frames of the sum over the stems, in the order of the stems, to `mix` [C, block.frames]
// where it is not null.
void ChangeAndSum(const StemBlock& block, std::span<const StemChange> changes, std::int64_t from,
                  std::int64_t to, float* mix);

}  // namespace stemsmith
