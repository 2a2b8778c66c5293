#include "datasets/sample_encoding.h"

#include <bit>

namespace stemsmith {
namespace {

// Floats as integers of the same order, and back: negative ones have their magnitude's bits
// flipped.
std::int32_t OrderedBits(std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7FFFFFFF); }

}  // namespace

// Adding and taking away 1.5 · 2^23 rounds a float of this size to the nearest integer.
void EncodeInt16(const float* in, std::size_t count, float factor, std::int16_t* out) {
  constexpr float kRound = 12'582'912.0f;
  for (std::size_t i = 0; i < count; ++i) {
    float steps = in[i] * factor;
    steps = steps < 32767.0f ? steps : 32767.0f;
    steps = steps > -32768.0f ? steps : -32768.0f;
    out[i] = static_cast<std::int16_t>(static_cast<std::int32_t>((steps + kRound) - kRound));
  }
}

void EncodeHalf(const float* in, std::size_t count, float factor, std::uint16_t* out) {
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

void WidenRange(const float* in, std::size_t count, float& lowest, float& highest) {
  std::int32_t low = OrderedBits(std::bit_cast<std::int32_t>(lowest));
  std::int32_t high = OrderedBits(std::bit_cast<std::int32_t>(highest));
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t value = OrderedBits(std::bit_cast<std::int32_t>(in[i]));
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  lowest = std::bit_cast<float>(OrderedBits(low));
  highest = std::bit_cast<float>(OrderedBits(high));
}

}  // namespace stemsmith
