// Second-order filters after R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter
// coefficients" (W3C Working Group Note, 2021). Value types.
#pragma once

#include <cstdint>
#include <span>

#include "augment/augment.h"

namespace stemsmith {

// y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2]
struct Biquad {
  double b0 = 1.0, b1 = 0.0, b2 = 0.0, a1 = 0.0, a2 = 0.0;

  // Frequencies at or above half the sample rate are taken as 0.49 of it. `q` > 0.
  static Biquad Peak(double frequency_hz, double gain_db, double q, int sample_rate_hz);
  static Biquad LowShelf(double frequency_hz, double gain_db, double q, int sample_rate_hz);
  static Biquad HighShelf(double frequency_hz, double gain_db, double q, int sample_rate_hz);
  static Biquad LowPass(double frequency_hz, double q, int sample_rate_hz);
  static Biquad HighPass(double frequency_hz, double q, int sample_rate_hz);
};

// Filters every channel of every stem in place, from silence, by one filter after another.
void RunFilters(std::span<const Biquad> filters, const StemBlock& block);

}  // namespace stemsmith
