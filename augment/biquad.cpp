#include "augment/biquad.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/vector_types.h"

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

namespace {

// Two channels side by side.
using Pair = Vector<double, 2>;

// kFilters at once: while one waits for its last sample, the others use the time. `right` may be
// `left`. Transposed direct form II, written so that each state depends on itself by one product
// and one sum.
template <std::size_t kFilters>
void RunTogether(std::span<const Biquad> filters, float* left, float* right, std::int64_t frames) {
  struct {
    Pair b0, a1, a2, c1, c2;
  } k[kFilters];
  Pair first[kFilters] = {}, second[kFilters] = {};
  for (std::size_t i = 0; i < kFilters; ++i) {
    const Biquad& f = filters[i];
    const auto both = [](double value) { return Pair{value, value}; };
    k[i] = {both(f.b0), both(f.a1), both(f.a2), both(f.b1 - f.a1 * f.b0), both(f.b2 - f.a2 * f.b0)};
  }
  for (std::int64_t t = 0; t < frames; ++t) {
    Pair value = {static_cast<double>(left[t]), static_cast<double>(right[t])};
    for (std::size_t i = 0; i < kFilters; ++i) {
      const Pair in = value, state = first[i];
      value = k[i].b0 * in + state;
      first[i] = (k[i].c1 * in + second[i]) - k[i].a1 * state;
      second[i] = k[i].c2 * in - k[i].a2 * state;
    }
    left[t] = static_cast<float>(value[0]);
    right[t] = static_cast<float>(value[1]);
  }
}

}  // namespace

void RunFilters(std::span<const Biquad> filters, const StemBlock& block) {
  const int rows = block.stems * block.channels;
  for (int row = 0; row < rows; row += 2) {
    float* left = block.channel(0, row);
    float* right = row + 1 < rows ? block.channel(0, row + 1) : left;
    for (auto rest = filters; !rest.empty();) {
      const std::size_t count = std::min<std::size_t>(rest.size(), 4);
      if (count == 1) RunTogether<1>(rest, left, right, block.frames);
      if (count == 2) RunTogether<2>(rest, left, right, block.frames);
      if (count == 3) RunTogether<3>(rest, left, right, block.frames);
      if (count == 4) RunTogether<4>(rest, left, right, block.frames);
      rest = rest.subspan(count);
    }
  }
}

}  // namespace stemsmith
