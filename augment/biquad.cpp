#include "augment/biquad.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace stemsmith {
namespace {

// The intermediate values that the cookbook's formulae share.
struct Angle {
  Angle(double frequency_hz, double q, int sample_rate_hz) {
    const double omega = 2.0 * std::numbers::pi * std::min(frequency_hz / sample_rate_hz, 0.49);
    cosine = std::cos(omega);
    alpha = std::sin(omega) / (2.0 * q);
  }
  double cosine, alpha;
};

Biquad Normalised(double b0, double b1, double b2, double a0, double a1, double a2) {
  return {.b0 = b0 / a0, .b1 = b1 / a0, .b2 = b2 / a0, .a1 = a1 / a0, .a2 = a2 / a0};
}

// A shelf on the low side (sign +1) or the high side (sign -1).
Biquad Shelf(double sign, double frequency_hz, double gain_db, double q, int sample_rate_hz) {
  const Angle angle(frequency_hz, q, sample_rate_hz);
  const double a = std::pow(10.0, gain_db / 40.0);
  const double c = sign * angle.cosine, slope = 2.0 * std::sqrt(a) * angle.alpha;
  return Normalised(a * ((a + 1) - (a - 1) * c + slope), sign * 2 * a * ((a - 1) - (a + 1) * c),
                    a * ((a + 1) - (a - 1) * c - slope), (a + 1) + (a - 1) * c + slope,
                    sign * -2 * ((a - 1) + (a + 1) * c), (a + 1) + (a - 1) * c - slope);
}

}  // namespace

Biquad Biquad::Peak(double frequency_hz, double gain_db, double q, int sample_rate_hz) {
  const Angle angle(frequency_hz, q, sample_rate_hz);
  const double a = std::pow(10.0, gain_db / 40.0);
  return Normalised(1 + angle.alpha * a, -2 * angle.cosine, 1 - angle.alpha * a,
                    1 + angle.alpha / a, -2 * angle.cosine, 1 - angle.alpha / a);
}

Biquad Biquad::LowShelf(double frequency_hz, double gain_db, double q, int sample_rate_hz) {
  return Shelf(1.0, frequency_hz, gain_db, q, sample_rate_hz);
}

Biquad Biquad::HighShelf(double frequency_hz, double gain_db, double q, int sample_rate_hz) {
  return Shelf(-1.0, frequency_hz, gain_db, q, sample_rate_hz);
}

Biquad Biquad::LowPass(double frequency_hz, double q, int sample_rate_hz) {
  const Angle angle(frequency_hz, q, sample_rate_hz);
  const double b = 1 - angle.cosine;
  return Normalised(b / 2, b, b / 2, 1 + angle.alpha, -2 * angle.cosine, 1 - angle.alpha);
}

Biquad Biquad::HighPass(double frequency_hz, double q, int sample_rate_hz) {
  const Angle angle(frequency_hz, q, sample_rate_hz);
  const double b = 1 + angle.cosine;
  return Normalised(b / 2, -b, b / 2, 1 + angle.alpha, -2 * angle.cosine, 1 - angle.alpha);
}

void Biquad::Run(float* samples, std::int64_t frames) const {
  double first = 0.0, second = 0.0;  // transposed direct form II
  for (std::int64_t i = 0; i < frames; ++i) {
    const double in = static_cast<double>(samples[i]);
    const double out = b0 * in + first;
    first = b1 * in - a1 * out + second;
    second = b2 * in - a2 * out;
    samples[i] = static_cast<float>(out);
  }
}

}  // namespace stemsmith
