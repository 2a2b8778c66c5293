// What is drawn of songs that come block by block.
#include "picture/waveform_peaks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "picture/picture.h"

namespace stemsmith {
namespace {

std::vector<float> Noise(std::size_t count) {
  RandomStream random({3});
  std::vector<float> samples(count);
  for (float& sample : samples) sample = static_cast<float>(random.Uniform(-1, 1));
  return samples;
}

std::vector<WaveformPeaks::Part> PartsOf(const std::vector<float>& samples, int channels,
                                         std::size_t most, std::size_t block) {
  WaveformPeaks peaks(most);
  const std::size_t frames = samples.size() / static_cast<std::size_t>(channels);
  for (std::size_t t = 0; t < frames; t += block)
    peaks.Add(&samples[t * static_cast<std::size_t>(channels)], channels,
              std::min(block, frames - t));
  EXPECT_EQ(peaks.frames(), static_cast<std::int64_t>(frames));
  return peaks.Parts();
}

TEST(WaveformPeaks, AreThoseOfEqualParts) {
  const std::vector<float> samples = Noise(2 * 1000);
  const auto parts = PartsOf(samples, 2, 10, 7);
  ASSERT_EQ(parts.size(), 10u);
  for (std::size_t p = 0; p < 10; ++p) {
    const auto [low, high] =
        std::minmax_element(samples.begin() + static_cast<std::ptrdiff_t>(200 * p),
                            samples.begin() + static_cast<std::ptrdiff_t>(200 * (p + 1)));
    // 1000 frames lie in 250 fine parts of 4: none crosses a border.
    EXPECT_EQ(parts[p].low, *low) << p;
    EXPECT_EQ(parts[p].high, *high) << p;
  }
}

TEST(WaveformPeaks, OfAnyLengthCoverItAll) {
  for (const std::size_t frames : {0, 1, 9, 10, 11, 319, 320, 321, 640, 641, 12345, 100003}) {
    const std::vector<float> samples = Noise(frames);
    const auto parts = PartsOf(samples, 1, 10, 1000);
    ASSERT_EQ(parts.size(), std::min<std::size_t>(10, frames)) << frames;
    if (frames == 0) continue;
    float low = 2, high = -2;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      low = std::min(low, parts[p].low);
      high = std::max(high, parts[p].high);
      // A border is off by less than a sixteenth of a part.
      const double width = static_cast<double>(frames) / static_cast<double>(parts.size());
      const double slack = width / 16;
      const auto begin = static_cast<std::size_t>(
          std::max(0.0, std::floor(width * static_cast<double>(p) - slack)));
      const auto end = std::min(
          frames, static_cast<std::size_t>(std::ceil(width * static_cast<double>(p + 1) + slack)));
      EXPECT_LE(parts[p].high, *std::max_element(&samples[begin], samples.data() + end));
    }
    EXPECT_EQ(low, *std::min_element(samples.begin(), samples.end()));
    EXPECT_EQ(high, *std::max_element(samples.begin(), samples.end()));
  }
}

TEST(SpectrogramStrip, BlockByBlockIsThatOfTheWhole) {
  for (const std::size_t frames : {1, 500, 3000, 200001}) {
    AudioBuffer audio(2, frames);
    std::ranges::copy(Noise(2 * frames), audio.samples().begin());
    std::vector<float> interleaved(2 * frames);
    Interleave(audio.samples().data(), 2, frames, interleaved.data());
    const StripOptions options{.sample_rate_hz = 8000, .width = 100, .height = 64};
    SpectrogramStrip strip(static_cast<std::int64_t>(frames), options);
    for (std::size_t t = 0; t < frames; t += 777)
      strip.Add(&interleaved[2 * t], 2, std::min<std::size_t>(777, frames - t));
    EXPECT_TRUE(strip.Finish() == SpectrogramStrips({&audio}, options).front()) << frames;
  }
}

}  // namespace
}  // namespace stemsmith
