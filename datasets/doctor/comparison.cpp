#include "datasets/doctor/comparison.h"

#include <algorithm>
#include <cmath>

namespace stemsmith {
namespace {

// Rounding leaves this much of a residual whatever the audio.
constexpr double kLowestResidual = 1e-14;
// Products per sample, in the mean over all frames: of up to eleven parts every frame is taken.
constexpr std::size_t kPairsPerFrame = 64;
// Parts below this level, relative to the mixture, are not heard in it.
constexpr double kHeardPower = 1e-4;
// A part is held where at least this share of what the sum has of it is there: equalisers and
// compressors take less.
constexpr double kHeldShare = 0.5;

}  // namespace

PartProducts::PartProducts(std::size_t parts)
    : parts_(parts),
      step_(std::max<std::size_t>(1, parts * parts / kPairsPerFrame)),
      products_(parts * parts) {}

void PartProducts::Add(const std::vector<std::vector<float>>& blocks, std::size_t frames,
                       int channels) {
  const auto columns = static_cast<std::size_t>(channels);
  for (std::size_t a = 0; a < parts_; ++a) {
    for (std::size_t b = a; b < parts_; ++b) {
      if (blocks[a].empty() || blocks[b].empty()) continue;
      const float *x = blocks[a].data(), *y = blocks[b].data();
      double product = 0;
      for (std::size_t t = skip_; t < frames; t += step_) {
        for (std::size_t i = t * columns; i < (t + 1) * columns; ++i) {
          product += static_cast<double>(x[i]) * y[i];
        }
      }
      products_[a * parts_ + b] += product;
      if (a != b) products_[b * parts_ + a] += product;
    }
  }
  const std::size_t taken = skip_ < frames ? (frames - skip_ + step_ - 1) / step_ : 0;
  skip_ += taken * step_ - frames;
}

double Comparison::ResidualDb(double gain) const {
  const double residual = part - 2 * gain * product + gain * gain * sum;
  return 10 * std::log10(std::max(residual / part, kLowestResidual));
}

double Comparison::LeastResidualDb() const {
  const double gain = BestGain();
  return gain > 0 ? ResidualDb(gain) : 0;
}

Comparison ComparePart(const PartProducts& products, std::size_t part,
                       const std::vector<std::size_t>& others) {
  Comparison comparison;
  comparison.part = products(part, part);
  for (const std::size_t a : others) {
    comparison.product += products(part, a);
    for (const std::size_t b : others) comparison.sum += products(a, b);
  }
  return comparison;
}

bool HoldsTheOthers(const PartProducts& products, std::size_t part,
                    const std::vector<std::size_t>& others) {
  const double gain = ComparePart(products, part, others).BestGain();
  std::size_t heard = 0, held = 0;
  for (const std::size_t other : others) {
    double in_sum = 0;
    for (const std::size_t b : others) in_sum += products(other, b);
    const bool audible =
        gain * gain * products(other, other) > kHeardPower * products(part, part) && in_sum > 0;
    if (!audible) continue;
    ++heard;
    held += products(part, other) >= kHeldShare * gain * in_sum;
  }
  return held >= 2 && 2 * held >= heard;
}

}  // namespace stemsmith
