#include "evaluate/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace stemsmith {

void Distortion::Add(std::span<const float> reference, std::span<const float> estimate) {
  assert(reference.size() == estimate.size());
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double r = reference[i], e = r - estimate[i];
    signal += r * r;
    error += e * e;
  }
}

double Distortion::Db() const {
  if (signal <= 0) return std::numeric_limits<double>::quiet_NaN();
  return 10 * std::log10(signal / error);
}

double SignalToDistortionDb(std::span<const float> reference, std::span<const float> estimate) {
  Distortion sums;
  sums.Add(reference, estimate);
  return sums.Db();
}

double Median(std::vector<double> values) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace stemsmith
