#include "audio/quantize.h"

#include <gtest/gtest.h>

#include <limits>

#include "audio/encode.h"

namespace stemsmith {
namespace {

TEST(QuantizeSample, IsTheNearestStepOfFullScale) {
  EXPECT_EQ(QuantizeSample(0.0f, 16), 0);
  EXPECT_EQ(QuantizeSample(-1.0f, 16), -32768);
  EXPECT_EQ(QuantizeSample(0.5f, 16), 16384);
  EXPECT_EQ(QuantizeSample(1.4f / 32768, 16), 1);
  EXPECT_EQ(QuantizeSample(-1.6f / 32768, 16), -2);
  EXPECT_EQ(QuantizeSample(0.5f / 32768, 16), 0);
  EXPECT_EQ(QuantizeSample(1.5f / 32768, 16), 2);
  EXPECT_EQ(QuantizeSample(0.25f, 24), 1 << 21);
}

TEST(QuantizeSample, ClipsAndMakesNothingOfNan) {
  EXPECT_EQ(QuantizeSample(1.0f, 16), 32767);
  EXPECT_EQ(QuantizeSample(3.0f, 24), (1 << 23) - 1);
  EXPECT_EQ(QuantizeSample(-std::numeric_limits<float>::infinity(), 16), -32768);
  EXPECT_EQ(QuantizeSample(std::numeric_limits<float>::quiet_NaN(), 16), 0);
}

TEST(WavBytes, HasTheScaleOfOtherFiles) {
  AudioBuffer audio(1, 2);
  audio.channel(0)[0] = 0.5f;
  audio.channel(0)[1] = -1.0f;
  const std::string bytes = WavBytes(audio, 44100);
  EXPECT_EQ(bytes.substr(bytes.size() - 4), std::string("\x00\x40\x00\x80", 4));
}

}  // namespace
}  // namespace stemsmith
