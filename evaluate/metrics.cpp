#include "evaluate/metrics.h"

#include <cassert>
#include <cmath>
#include <limits>

namespace stemsmith {

double SignalToDistortionDb(std::span<const float> reference, std::span<const float> estimate) {
  assert(reference.size() == estimate.size());
  double signal = 0, error = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double r = reference[i], e = r - estimate[i];
    signal += r * r;
    error += e * e;
  }
  if (signal == 0) return std::numeric_limits<double>::quiet_NaN();
  return 10 * std::log10(signal / error);
}

}  // namespace stemsmith
