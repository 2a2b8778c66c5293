#include "core/picture_axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace stemsmith {

double NiceStep(double range, int most) {
  const double rough = range / std::max(most, 1);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

std::vector<double> NiceTicks(double low, double high, int most) {
  const double step = NiceStep(high - low, most);
  const double slack = 1e-9 * (high - low);
  std::vector<double> ticks;
  const double first = std::ceil((low - slack) / step);
  for (int i = 0; i <= 2 * most; ++i) {
    const double tick = (first + i) * step;
    if (tick > high + slack) break;
    ticks.push_back(tick == 0.0 ? 0.0 : tick);  // no minus zero
  }
  return ticks;
}

std::string TickLabel(double value, double step) {
  char text[48];
  const double magnitude = std::max(std::abs(value), step);
  if (magnitude >= 1e7 || magnitude < 1e-5) {
    std::snprintf(text, sizeof text, "%.3g", value);
  } else if (step >= 1000.0) {
    std::snprintf(text, sizeof text, value == 0.0 ? "%g" : "%gk", value / 1000.0);
  } else {
    const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 8);
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
  }
  return text;
}

double NiceTimeStep(double seconds, int most) {
  for (const double step : {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0,
                            120.0, 300.0, 600.0, 1800.0}) {
    if (seconds / step <= most) return step;
  }
  return NiceStep(seconds, most);
}

}  // namespace stemsmith
