// Separation figures on plain buffers.
#pragma once

#include <span>
#include <vector>

namespace stemsmith {

// 10 log10 of reference energy over error energy, over all samples given (all channels of a whole
// song or segment). -inf … +inf: silent references give NaN, exact estimates +inf.
double SignalToDistortionDb(std::span<const float> reference, std::span<const float> estimate);

// The middle value (the mean of the two middle ones), NaN left out, as figures over songs are
// summed up; NaN where nothing is left.
double Median(std::vector<double> values);

}  // namespace stemsmith
