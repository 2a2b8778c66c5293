#include "evaluate/mel.h"

#include <algorithm>
#include <cmath>

namespace stemsmith {
namespace {

constexpr double kHzPerMel = 200.0 / 3, kLogStartHz = 1000;
const double kLogStep = std::log(6.4) / 27;

double Mel(double hz) {
  if (hz < kLogStartHz) return hz / kHzPerMel;
  return kLogStartHz / kHzPerMel + std::log(hz / kLogStartHz) / kLogStep;
}
double Hz(double mel) {
  const double start = kLogStartHz / kHzPerMel;
  return mel < start ? mel * kHzPerMel : kLogStartHz * std::exp(kLogStep * (mel - start));
}

}  // namespace

MelFilters::MelFilters(int sample_rate_hz, int n_fft, int count) {
  const double top = Mel(sample_rate_hz / 2.0),
               bin_hz = static_cast<double>(sample_rate_hz) / n_fft;
  const auto corner = [&](int i) { return Hz(top * i / (count + 1)); };
  for (int i = 0; i < count; ++i) {
    const double low = corner(i), middle = corner(i + 1), high = corner(i + 2);
    Filter filter;
    for (int bin = 0; bin <= n_fft / 2; ++bin) {
      const double hz = bin * bin_hz;
      const double weight = std::min((hz - low) / (middle - low), (high - hz) / (high - middle));
      if (weight <= 0) continue;
      if (filter.weights.empty()) filter.first = static_cast<std::size_t>(bin);
      filter.weights.push_back(static_cast<float>(weight * 2 / (high - low)));
    }
    filters_.push_back(std::move(filter));
  }
}

void MelFilters::operator()(const std::vector<float>& magnitudes, std::vector<float>& mel) const {
  mel.resize(filters_.size());
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    float sum = 0;
    for (std::size_t k = 0; k < filters_[i].weights.size(); ++k)
      sum += filters_[i].weights[k] * magnitudes[filters_[i].first + k];
    mel[i] = sum;
  }
}

}  // namespace stemsmith
