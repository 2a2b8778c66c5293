// Samples as whole numbers of a few bits: the one rounding of audio that is written.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace stemsmith {

// The nearest of `bits` bits (up to 24), even where in between. Full scale ±1 is ±2^(bits - 1), as
// decoders divide by that; what is beyond is clipped, +1 with it. NaN becomes 0.
inline std::int32_t QuantizeSample(float sample, int bits) {
  const std::int32_t full = std::int32_t{1} << (bits - 1);
  if (std::isnan(sample)) return 0;
  // The product is exact: a power of two.
  const float scaled = std::clamp(sample, -1.0f, 1.0f) * static_cast<float>(full);
  return std::min(static_cast<std::int32_t>(std::lrint(scaled)), full - 1);
}

}  // namespace stemsmith
