#include "datasets/cache/sample_encoding.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/vector_clones.h"
#include "core/vector_types.h"

namespace stemsmith {
// Adding and taking away 1.5 · 2^23 rounds a float of this size to the nearest integer.
STEMSMITH_VECTOR_CLONES void EncodeInt16(const float* in, std::size_t count, float factor,
                                         std::int16_t* out) {
  constexpr float kRound = 12'582'912.0f;
  for (std::size_t i = 0; i < count; ++i) {
    float steps = in[i] * factor;
    steps = steps < 32767.0f ? steps : 32767.0f;
    steps = steps > -32768.0f ? steps : -32768.0f;
    out[i] = static_cast<std::int16_t>(static_cast<std::int32_t>((steps + kRound) - kRound));
  }
}

STEMSMITH_VECTOR_CLONES void EncodeHalf(const float* in, std::size_t count, float factor,
                                        std::uint16_t* out) {
  constexpr std::int32_t kLargest = 0x477FE000;        // 65504
  constexpr std::int32_t kSmallestNormal = 113 << 23;  // 2^-14
  constexpr std::int32_t kExponentShift = 112 << 23;   // from the bias 15 to 127
  constexpr float kSubnormalRound = 0.5f;              // its last place is 2^-24, as float16's
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t bits = std::bit_cast<std::int32_t>(in[i] * factor);
    std::int32_t magnitude = bits & 0x7FFFFFFF;
    magnitude = magnitude < kLargest ? magnitude : kLargest;
    // 13 bits of the mantissa go: half of the last place is added, a little less where the last
    // place is even.
    const std::int32_t odd = (magnitude >> 13) & 1;
    const std::int32_t normal = (magnitude - kExponentShift + 0xFFF + odd) >> 13;
    const std::int32_t subnormal =
        std::bit_cast<std::int32_t>(std::bit_cast<float>(magnitude) + kSubnormalRound) -
        std::bit_cast<std::int32_t>(kSubnormalRound);
    const std::int32_t half = magnitude < kSmallestNormal ? subnormal : normal;
    out[i] = static_cast<std::uint16_t>(half | ((bits >> 16) & 0x8000));
  }
}

STEMSMITH_VECTOR_CLONES void WidenRange(const float* in, std::size_t count, float& lowest,
                                        float& highest) {
  constexpr std::size_t kLanes = 8;
  using Lanes = Vector<float, kLanes>;  // two at once
  Lanes low = Lanes{} + lowest, high = Lanes{} + highest, low2 = low, high2 = high;
  std::size_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    Lanes a, b;
    std::memcpy(&a, in + i, sizeof a);
    std::memcpy(&b, in + i + kLanes, sizeof b);
    low = a < low ? a : low;
    high = a > high ? a : high;
    low2 = b < low2 ? b : low2;
    high2 = b > high2 ? b : high2;
  }
  for (; i < count; ++i) {
    low[0] = std::min(low[0], in[i]);
    high[0] = std::max(high[0], in[i]);
  }
  for (std::size_t k = 0; k < kLanes; ++k) {
    lowest = std::min({lowest, low[k], low2[k]});
    highest = std::max({highest, high[k], high2[k]});
  }
}

STEMSMITH_VECTOR_CLONES void AddSquares(const float* rows, std::size_t frames, std::size_t columns,
                                        double* sums) {
  constexpr std::size_t kLanes = 8;
  std::size_t begin = 0;
  for (; begin + kLanes <= columns; begin += kLanes) {
    double sum[kLanes];
    std::copy_n(sums + begin, kLanes, sum);
    const float* row = rows + begin;
    for (std::size_t t = 0; t < frames; ++t, row += columns)
      for (std::size_t k = 0; k < kLanes; ++k) sum[k] += double{row[k]} * row[k];
    std::copy_n(sum, kLanes, sums + begin);
  }
  for (std::size_t t = 0; t < frames; ++t)
    for (std::size_t c = begin; c < columns; ++c)
      sums[c] += double{rows[t * columns + c]} * rows[t * columns + c];
}

}  // namespace stemsmith
