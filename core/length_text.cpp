#include "core/length_text.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace stemsmith {

std::string LengthText(double seconds) {
  const long total = std::lround(std::max(0.0, seconds));
  if (total < 60) return Formatted("%ld s", total);
  if (total < 3600) return Formatted("%ld min %02ld s", total / 60, total % 60);
  const long minutes = std::lround(static_cast<double>(total) / 60);
  return Formatted("%ld h %02ld min", minutes / 60, minutes % 60);
}

}  // namespace stemsmith
