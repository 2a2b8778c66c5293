#include "baselines/nmf_masks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "baselines/matrix_product.h"

namespace stemsmith {

NmfMasks::NmfMasks(std::vector<StemFactors> stems, std::size_t bins, double power)
    : stems_(std::move(stems)),
      bins_(bins),
      power_(static_cast<float>(power)),
      shares_(stems_.size() * bins),
      sum_(bins) {}

void NmfMasks::Separate(std::size_t n, std::span<const std::complex<float>> mixture,
                        std::span<std::complex<float>> stems) {
  std::fill(shares_.begin(), shares_.end(), 0.0f);
  std::fill(sum_.begin(), sum_.end(), 0.0f);
  for (std::size_t s = 0; s < stems_.size(); ++s) {
    const StemFactors& stem = stems_[s];
    const std::size_t k = stem.factors.components;
    if (k == 0) continue;
    float* share = shares_.data() + s * bins_ + stem.first_bin;
    MatrixProduct({stem.factors.activations.data() + n * k, 1, k, k},
                  {stem.factors.spectra.data(), k, stem.bins, stem.bins}, share, stem.bins);
    for (std::size_t f = 0; f < stem.bins; ++f)
      share[f] = power_ == 2 ? share[f] * share[f] : std::pow(share[f], power_);
    for (std::size_t f = 0; f < bins_; ++f) sum_[f] += shares_[s * bins_ + f];
  }
  for (std::size_t s = 0; s < stems_.size(); ++s) {
    for (std::size_t f = 0; f < bins_; ++f) {
      const float share = sum_[f] < std::numeric_limits<float>::min()
                              ? 1 / static_cast<float>(stems_.size())
                              : shares_[s * bins_ + f] / sum_[f];
      for (std::size_t i = f; i < mixture.size(); i += bins_)
        stems[s * mixture.size() + i] = share * mixture[i];
    }
  }
}

}  // namespace stemsmith
