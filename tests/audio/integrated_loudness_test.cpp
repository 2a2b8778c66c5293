#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "audio/loudness_meter.h"

namespace stemsmith {
namespace {

std::vector<float> Sine(double hz, double level_db, double seconds, int rate) {
  std::vector<float> samples(static_cast<std::size_t>(seconds * rate));
  const double amplitude = std::pow(10.0, level_db / 20);
  for (std::size_t t = 0; t < samples.size(); ++t)
    samples[t] =
        static_cast<float>(amplitude * std::sin(2 * M_PI * hz * static_cast<double>(t) / rate));
  return samples;
}

TEST(IntegratedLoudness, OfTheStandardsToneIsMinusThree) {
  // BS.1770-4, annex 1: a 997 Hz sine at full scale in one front channel reads -3.01 LKFS.
  for (const int rate : {44100, 48000}) {
    EXPECT_NEAR(IntegratedLoudness(Sine(997, 0, 5, rate), rate), -3.01, 0.02) << rate;
    EXPECT_NEAR(IntegratedLoudness(Sine(997, -20, 5, rate), rate), -23.01, 0.02) << rate;
  }
}

TEST(IntegratedLoudness, WeighsLowAndHighFrequencies) {
  // The response of the K-weighting relative to 997 Hz (0.69 dB there): the head raises what is
  // above 2 kHz by 4 dB, the high-pass takes 38 Hz down by 6 dB (its poles, Q = 0.5).
  const double middle = IntegratedLoudness(Sine(997, -10, 5, 48000), 48000);
  EXPECT_NEAR(IntegratedLoudness(Sine(10000, -10, 5, 48000), 48000) - middle, 3.3, 0.15);
  EXPECT_NEAR(IntegratedLoudness(Sine(38.135, -10, 5, 48000), 48000) - middle, -6.7, 0.3);
}

TEST(IntegratedLoudness, PassesOverPauses) {
  std::vector<float> samples = Sine(997, -20, 5, 44100);
  const double tone = IntegratedLoudness(samples, 44100);
  samples.resize(samples.size() * 4);                          // and 15 s of silence
  EXPECT_NEAR(IntegratedLoudness(samples, 44100), tone, 0.3);  // but for blocks half in the tone
  // A second part 30 dB below the first lies under the relative gate.
  const std::vector<float> quiet = Sine(997, -50, 15, 44100);
  std::copy(quiet.begin(), quiet.end(), samples.begin() + 5 * 44100);
  EXPECT_NEAR(IntegratedLoudness(samples, 44100), tone, 0.3);
}

TEST(IntegratedLoudness, OfSilenceIsMinusInfinity) {
  EXPECT_EQ(IntegratedLoudness(std::vector<float>(44100), 44100), -INFINITY);
  EXPECT_EQ(IntegratedLoudness(Sine(997, -80, 5, 44100), 44100), -INFINITY);
  EXPECT_EQ(IntegratedLoudness(Sine(997, 0, 0.3, 44100), 44100), -INFINITY);
  EXPECT_EQ(IntegratedLoudness({}, 44100), -INFINITY);
}

}  // namespace
}  // namespace stemsmith
