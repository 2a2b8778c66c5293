// Separation figures on plain buffers.
#pragma once

#include <span>

namespace stemsmith {

// 10 log10 of reference energy over error energy, over all samples given (all channels of a whole
// song or segment). -inf … +inf: silent references give NaN, exact estimates +inf.
double SignalToDistortionDb(std::span<const float> reference, std::span<const float> estimate);

}  // namespace stemsmith
