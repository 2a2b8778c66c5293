// Separation figures on plain buffers.
#pragma once

#include <span>
#include <vector>

namespace stemsmith {

// The energies behind a signal-to-distortion ratio, summed block by block.
struct Distortion {
  double signal = 0, error = 0;
  void Add(std::span<const float> reference, std::span<const float> estimate);
  // 10 log10(signal / error): NaN for a silent reference, +inf for an exact estimate.
  double Db() const;
};

// 10 log10 of reference energy over error energy, over all samples given (all channels of a whole
// song or segment). -inf … +inf: silent references give NaN, exact estimates +inf.
double SignalToDistortionDb(std::span<const float> reference, std::span<const float> estimate);

// The middle value (the mean of the two middle ones), NaN left out, as figures over songs are
// summed up; NaN where nothing is left.
double Median(std::vector<double> values);

}  // namespace stemsmith
