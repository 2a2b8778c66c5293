// Changes of a stem that need no look at its samples, and the one pass over the audio that makes
// them and sums the mixture. Functions are thread safe on different audio.
#pragma once

#include <cstdint>
#include <span>

#include "augment/augment.h"

namespace stemsmith {

// Makes `changes`, one per stem, and writes the sum over the stems, in their order, to `mix` [C, T]
// where it is not null.
void ChangeAndSum(const StemBlock& block, std::span<const StemChange> changes, float* mix);

}  // namespace stemsmith
