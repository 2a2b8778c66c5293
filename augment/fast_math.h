// Exponentials and logarithms of single floats that the compiler vectorises: no branches, no calls,
// no tables, the same bits on every processor with IEEE floats. For loops over samples.
#pragma once

#include <bit>
#include <cstdint>

namespace stemsmith {

// 2^x = 2^whole · (1 + part), for x in [-126, 126]: `whole` as a power of two. The part is off by
// less than 2e-7 of itself, also near 0.
struct PowerOfTwo {
  float whole, part;
};
inline PowerOfTwo SplitExp2(float x) {
  constexpr float kRound = 12'582'912.0f;  // 1.5 · 2^23: adding it rounds to a whole number
  const float shifted = x + kRound;
  const float f = x - (shifted - kRound);  // in [-0.5, 0.5]
  // The series of 2^f - 1 = f ln 2 + (f ln 2)² / 2! + …; what is left out is below 2e-8 of it.
  float part = 1.52527338e-5f;
  part = part * f + 1.54035304e-4f;
  part = part * f + 1.33335581e-3f;
  part = part * f + 9.61812911e-3f;
  part = part * f + 5.55041087e-2f;
  part = part * f + 2.40226507e-1f;
  part = part * f + 6.93147181e-1f;
  const std::int32_t bits = (std::bit_cast<std::int32_t>(shifted) + 127) << 23;
  return {std::bit_cast<float>(bits), part * f};
}

inline float FastExp2(float x) {
  const PowerOfTwo power = SplitExp2(x);
  return power.whole + power.whole * power.part;
}

// log2(x) for normal x > 0, off by less than 2e-7 plus 1e-7 of the result.
inline float FastLog2(float x) {
  // The mantissa in [√½, √2), the exponent as a whole number.
  const std::int32_t bits = std::bit_cast<std::int32_t>(x) - 0x3f3504f3;
  const auto exponent = static_cast<float>(bits >> 23);
  const float m = std::bit_cast<float>((bits & 0x007fffff) + 0x3f3504f3);
  // ln m = 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + …), |s| ≤ 0.172
  const float s = (m - 1.0f) / (m + 1.0f), q = s * s;
  float sum = 2.62290653e-1f;  // 2 / (11 ln 2)
  sum = sum * q + 3.20598898e-1f;
  sum = sum * q + 4.12198583e-1f;
  sum = sum * q + 5.77078016e-1f;
  sum = sum * q + 9.61796694e-1f;
  sum = sum * q + 2.88539008f;
  return exponent + sum * s;
}

// max(x, 0). By its bits: chained comparisons of floats become branches, which do not vectorise.
inline float Positive(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  return std::bit_cast<float>(bits & ~(bits >> 31));
}

// Off by less than 5e-7 of itself.
inline float FastTanh(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  constexpr auto kOneFromHere = std::bit_cast<std::int32_t>(10.0f);
  const std::int32_t all = bits & 0x7fffffff, held = all < kOneFromHere ? all : kOneFromHere;
  // (e - 1) / (e + 1) with e = exp(2|x|), by e - 1, which keeps its digits for small x
  const PowerOfTwo power = SplitExp2(std::bit_cast<float>(held) * 2.88539008f);
  const float less_one = power.whole * power.part + (power.whole - 1.0f);
  const float tanh = less_one / (less_one + 2.0f);
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(tanh) | (bits ^ all));
}

}  // namespace stemsmith
