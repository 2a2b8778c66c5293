#include "audio/loudness_meter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

namespace stemsmith {
namespace {

namespace loudness_meter_tests {

constexpr int kRate = 48000;
constexpr double kSilent = -120;

// Appends seconds of a sine of 997 Hz to one column of stereo stems, [T, S · 2].
struct Song {
  explicit Song(int stems) : columns(2 * stems) {}
  void Add(double seconds, const std::vector<double>& level_db) {
    const auto frames = static_cast<std::size_t>(seconds * kRate);
    for (std::size_t t = 0; t < frames; ++t, ++position) {
      const double sine = std::sin(2 * std::numbers::pi * 997 * position / kRate);
      for (const double db : level_db)
        samples.push_back(static_cast<float>(std::pow(10.0, db / 20) * sine));
    }
  }
  std::vector<double> Measured(std::size_t block = 1000) const {
    LoudnessMeter meter(columns / 2, 2, kRate);
    const std::size_t frames = samples.size() / columns;
    for (std::size_t t = 0; t < frames; t += block)
      meter.Add(samples.data() + t * columns, std::min(block, frames - t));
    return meter.Measure(kSilent);
  }
  std::size_t columns, position = 0;
  std::vector<float> samples;
};

// BS.1770: a sine of 997 Hz at full scale in one channel is -3.01 LKFS.
TEST(LoudnessMeter, IsThatOfTheStandardForSines) {
  Song song(5);
  song.Add(5, {0, -500, -23, -23, -500, -40, -30, -30, -20, -500});
  const auto loudness = song.Measured();
  ASSERT_EQ(loudness.size(), 5u);
  EXPECT_NEAR(loudness[0], -3.01, 0.05);
  EXPECT_NEAR(loudness[1], -23.0, 0.05);
  EXPECT_NEAR(loudness[2], -43.01, 0.05);
  EXPECT_NEAR(loudness[3], -30.0, 0.05);
  EXPECT_NEAR(loudness[4], -23.01, 0.05);
}

// EBU Tech 3341, case 3: 10 s at -36, 60 s at -23, 10 s at -36 dBFS give -23 LUFS; here shorter,
// and with silence.
TEST(LoudnessMeter, GatesQuietPassagesAndSilence) {
  Song song(1);
  song.Add(3, {-36, -36});
  song.Add(20, {-23, -23});
  song.Add(3, {-36, -36});
  song.Add(30, {-500, -500});
  EXPECT_NEAR(song.Measured()[0], -23.0, 0.1);
  EXPECT_EQ(song.Measured(77), song.Measured(100'000));
}

TEST(LoudnessMeter, SaysSilentWhereNothingPassesTheGate) {
  Song silent(1), brief(1);
  silent.Add(3, {-90, -90});
  brief.Add(0.3, {-6, -6});
  EXPECT_EQ(silent.Measured()[0], kSilent);
  EXPECT_EQ(brief.Measured()[0], kSilent);
  LoudnessMeter slow(2, 2, 1000);
  slow.Add(silent.samples.data(), 100);
  EXPECT_TRUE(slow.Measure(kSilent).empty());
}

// For every number of columns, also such as are no whole vectors, wherever the heap puts the meter.
TEST(LoudnessMeter, TakesAnyNumberOfColumnsAnywhereInMemory) {
  constexpr std::size_t kFrames = kRate / 2;
  std::vector<std::unique_ptr<char[]>> between;
  for (int stems = 1; stems <= 9; ++stems) {
    for (int channels = 1; channels <= 3; ++channels) {
      std::vector<float> samples;
      for (std::size_t t = 0; t < kFrames; ++t)
        for (int s = 0; s < stems; ++s)
          for (int c = 0; c < channels; ++c)
            samples.push_back(static_cast<float>((s + 1) * 0.05 *
                                                 std::sin(2 * std::numbers::pi * 997 * t / kRate)));
      for (std::size_t place = 0; place < 4; ++place) {
        between.push_back(std::make_unique<char[]>(16 * place + 8));
        LoudnessMeter meter(stems, channels, kRate);
        meter.Add(samples.data(), kFrames);
        const auto loudness = meter.Measure(kSilent);
        ASSERT_EQ(loudness.size(), static_cast<std::size_t>(stems));
        for (int s = 0; s < stems; ++s) {
          const double expected =
              -3.01 + 20 * std::log10((s + 1) * 0.05) + 10 * std::log10(channels);
          EXPECT_NEAR(loudness[s], expected, 0.05) << stems << " stems, " << channels;
        }
      }
    }
  }
}

}  // namespace loudness_meter_tests
}  // namespace
}  // namespace stemsmith
