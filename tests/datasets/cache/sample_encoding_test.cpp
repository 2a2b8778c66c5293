#include "datasets/cache/sample_encoding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "audio/quantize.h"
#include "core/random.h"
#include "datasets/cache/deinterleave.h"

namespace stemsmith {
namespace {

namespace sample_encoding_tests {

constexpr int kHalves = 0x7C00;  // finite ones without sign

// After the standard: (-1)^sign · 2^(exponent - 15) · 1.mantissa, or 2^-14 · 0.mantissa.
double ValueOf(int half) {
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

std::vector<std::uint16_t> AllFiniteHalves() {
  std::vector<std::uint16_t> halves;
  for (const int sign : {0, 0x8000})
    for (int half = 0; half < kHalves; ++half)
      halves.push_back(static_cast<std::uint16_t>(sign | half));
  return halves;
}

std::uint16_t Encoded(double value) {
  const float in = static_cast<float>(value);
  std::uint16_t out = 0xFFFF;
  EncodeHalf(&in, 1, 1.0f, &out);
  return out;
}

TEST(SampleEncoding, EveryHalfComesBackFromItsFloat) {
  const std::vector<std::uint16_t> halves = AllFiniteHalves();
  std::vector<float> floats(halves.size());
  float* const row = floats.data();
  DeinterleaveHalves(halves.data(), static_cast<std::int64_t>(halves.size()) - 16, {{&row, 1}});
  for (std::size_t i = 0; i + 16 < halves.size(); ++i) {
    ASSERT_EQ(floats[i], ValueOf(halves[i])) << i;
    ASSERT_EQ(std::signbit(floats[i]), halves[i] >= 0x8000) << i;
  }
  std::vector<std::uint16_t> again(halves.size());
  EncodeHalf(floats.data(), floats.size() - 16, 1.0f, again.data());
  for (std::size_t i = 0; i + 16 < halves.size(); ++i) ASSERT_EQ(again[i], halves[i]) << i;
}

TEST(SampleEncoding, HalvesAreRoundedToNearestAndInTheMiddleToEven) {
  for (int half = 0; half + 1 < kHalves; ++half) {
    const double low = ValueOf(half), high = ValueOf(half + 1), middle = (low + high) / 2;
    const int even = half % 2 == 0 ? half : half + 1;
    ASSERT_EQ(Encoded(middle), even) << half;
    ASSERT_EQ(Encoded(-middle), even | 0x8000) << half;
    ASSERT_EQ(Encoded(low + (high - low) * 0.499), half);
    ASSERT_EQ(Encoded(low + (high - low) * 0.501), half + 1);
  }
}

TEST(SampleEncoding, HalvesBeyondTheirRangeAreTheLargest) {
  for (const double value :
       {65504.0, 65519.9, 65520.0, 1e9, 3e38, std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(Encoded(value), 0x7BFF) << value;
    EXPECT_EQ(Encoded(std::copysign(value, -1.0)), 0xFBFF) << value;
  }
  EXPECT_EQ(Encoded(1e-30), 0);
}

// Any number of columns and frames, of both kinds of 16 bits: each sample times the factor in its
// row, and in a sum that begins or goes on.
TEST(SampleEncoding, ColumnsBecomeRowsTimesTheFactorAndAreSummed) {
  RandomStream random({3});
  for (const int columns : {1, 2, 3, 7, 8, 9, 16, 18}) {
    for (const std::int64_t frames : {1, 3, 7, 8, 9, 600, 601, 1500}) {
      std::vector<std::uint16_t> in(frames * columns + kDeinterleaveSlackBytes / 2);
      for (std::uint16_t& half : in) half = static_cast<std::uint16_t>(random.Below(0x7C00));
      for (const bool halves : {false, true}) {
        const std::int64_t length = frames + 3;
        std::vector<float> out(length * columns, -1.0f), sum(length * columns, 0.25f);
        std::vector<float*> rows, sums;
        for (int c = 0; c < columns; ++c) {
          rows.push_back(out.data() + c * length);
          sums.push_back(sum.data() + c * length);
        }
        const bool adds = random.Below(2) == 1, summed = random.Below(3) > 0;
        const Rows to{rows, -0.5f, summed ? std::span(sums) : std::span<float*>(), adds};
        if (halves) {
          DeinterleaveHalves(in.data(), frames, to);
        } else {
          Deinterleave(reinterpret_cast<const std::int16_t*>(in.data()), frames, to);
        }
        for (int c = 0; c < columns; ++c) {
          for (std::int64_t t = 0; t < length; ++t) {
            const std::uint16_t bits = in[t < frames ? t * columns + c : 0];
            const float value = -0.5f * (halves ? static_cast<float>(ValueOf(bits)) : bits);
            ASSERT_EQ(out[c * length + t], t < frames ? value : -1.0f)
                << columns << " columns, frame " << t;
            const float total = adds ? 0.25f + value : value;
            ASSERT_EQ(sum[c * length + t], summed && t < frames ? total : 0.25f);
          }
        }
      }
    }
  }
}

TEST(SampleEncoding, Int16IsRoundedAndClipped) {
  const std::vector<float> in = {0.0f, 1.4f, 1.6f, -1.6f, 40'000.0f, -40'000.0f};
  std::vector<std::int16_t> out(in.size());
  EncodeInt16(in.data(), in.size(), 1.0f, out.data());
  EXPECT_EQ(out, (std::vector<std::int16_t>{0, 1, 2, -2, 32767, -32768}));
}

// A song is stored as the wav file of 16 bits holds it.
TEST(SampleEncoding, Int16OfFullScaleIsThatOfWrittenFiles) {
  std::vector<float> in = {1.0f, -1.0f, 1.5f, -1.5f, 0.5f / 32768, 1.5f / 32768, -2.5f / 32768};
  RandomStream random({1});
  for (int i = 0; i < 100'000; ++i) in.push_back(static_cast<float>(random.Uniform(-1.01, 1.01)));
  std::vector<std::int16_t> out(in.size());
  EncodeInt16(in.data(), in.size(), 32768.0f, out.data());
  for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], QuantizeSample(in[i], 16)) << in[i];
}

TEST(SampleEncoding, TheRangeHoldsBothSignsWhereverTheyStand) {
  for (const std::size_t count : {5u, 16u, 53u}) {
    for (std::size_t place = 1; place < count; ++place) {
      std::vector<float> in(count, 1e-8f);
      in[place - 1] = 0.75f;
      in[place] = -2.0f;
      float lowest = 0, highest = 0;
      WidenRange(in.data(), in.size(), lowest, highest);
      ASSERT_EQ(lowest, -2.0f) << place << " of " << count;
      ASSERT_EQ(highest, 0.75f) << place << " of " << count;
    }
  }
  float lowest = -3, highest = 4;
  WidenRange(std::vector<float>(40, 0.5f).data(), 40, lowest, highest);
  EXPECT_EQ(lowest, -3.0f);
  EXPECT_EQ(highest, 4.0f);
}

TEST(SampleEncoding, SquaresAreAddedByColumn) {
  for (const std::size_t columns : {1u, 7u, 8u, 10u, 17u}) {
    std::vector<float> rows(3 * columns);
    std::vector<double> sums(columns, 1.0), expected(columns, 1.0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i] = 0.25f * static_cast<float>(i) - 2.0f;
      expected[i % columns] += double{rows[i]} * rows[i];
    }
    AddSquares(rows.data(), 3, columns, sums.data());
    EXPECT_EQ(sums, expected) << columns << " columns";
  }
}

}  // namespace sample_encoding_tests
}  // namespace
}  // namespace stemsmith
