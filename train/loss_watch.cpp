#include "train/loss_watch.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace stemsmith {

void RememberLoss(double loss, std::vector<double>& recent) {
  if (recent.size() >= kLossWindow) recent.erase(recent.begin());
  recent.push_back(loss);
}

std::string WrongWith(double loss, double gradient_norm, const std::vector<double>& recent,
                      double explosion_factor) {
  if (!std::isfinite(loss)) return "the loss is not a finite number";
  if (!std::isfinite(gradient_norm)) return "a gradient is not a finite number";
  if (explosion_factor <= 0.0 || recent.size() < kLeastLosses) return "";
  std::vector<double> sorted = recent;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const double median = *middle;
  if (loss - median <= (explosion_factor - 1.0) * std::abs(median)) return "";
  return Formatted("the loss explodes: %.4g, against a median of %.4g over the last %zu steps",
                   loss, median, recent.size());
}

}  // namespace stemsmith
