#include <gtest/gtest.h>

#include "baselines/hpss.h"
#include "baselines/nearest_frames.h"
#include "tests/baselines/baseline_songs.h"

namespace stemsmith {
namespace {

using testing::Energy;
using testing::Separated;
using testing::Sine;
using testing::Sum;

constexpr std::size_t kDrums = 0, kBass = 1, kOther = 2, kVocals = 3;
constexpr int kRate = 44100;

// Clicks every half second.
AudioBuffer Clicks(std::size_t frames) {
  AudioBuffer audio(2, frames);
  for (int c = 0; c < 2; ++c)
    for (std::size_t t = 5000; t < frames; t += 22050) audio.channel(c)[t] = 0.9f;
  return audio;
}

double Share(const std::vector<AudioBuffer>& stems, std::size_t stem) {
  double all = 0;
  for (const AudioBuffer& one : stems) all += Energy(one);
  return Energy(stems[stem]) / all;
}

TEST(HpssRepet, PutsEachKindOfSoundIntoItsStem) {
  constexpr std::size_t kFrames = 8 * kRate;
  EXPECT_GT(Share(Separated("hpss_repet", "{}", Sine(2, kFrames, 80, kRate), kRate), kBass), 0.9);
  EXPECT_GT(Share(Separated("hpss_repet", "{}", Sine(2, kFrames, 880, kRate), kRate), kOther), 0.9);
  EXPECT_GT(Share(Separated("hpss_repet", "{neighbours: 8}", Clicks(kFrames), kRate), kDrums), 0.8);
  // A note that comes once over one that lasts.
  AudioBuffer note(2, kFrames);
  const AudioBuffer tone = Sine(2, kRate, 1500, kRate);
  for (int c = 0; c < 2; ++c)
    std::copy_n(tone.channel(c), tone.frames(), note.channel(c) + 3 * kRate);
  const AudioBuffer lasting = Sine(2, kFrames, 500, kRate);
  const auto stems = Separated("hpss_repet", "{}", Sum(lasting, note), kRate);
  EXPECT_NEAR(Energy(stems[kVocals]) / Energy(note), 1, 0.1);
  EXPECT_NEAR(Energy(stems[kOther]) / Energy(lasting), 1, 0.1);
}

// More frames than a block holds, so that pairs within one and of two are there.
TEST(NearestFrames, AreTheMostSimilarFarEnoughAway) {
  constexpr std::size_t kFrames = 600, kBins = 20, kWidth = 5;
  RandomStream random({9});
  std::vector<float> all(kFrames * kBins);
  for (float& value : all) value = static_cast<float>(random.Uniform());
  std::fill_n(all.begin() + 30 * kBins, kBins, 0.0f);  // a silent frame
  const auto source = [&](std::size_t n, float* out) {
    std::copy_n(all.data() + n * kBins, kBins, out);
  };
  const auto similarity = [&](std::size_t a, std::size_t b) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t f = 0; f < kBins; ++f) {
      const double x = all[a * kBins + f], y = all[b * kBins + f];
      ab += x * y, aa += x * x, bb += y * y;
    }
    return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0.0;
  };
  const auto nearest = FindNearestFrames(kFrames, kBins, source, {.count = 7, .width = kWidth});
  for (std::size_t n = 0; n < kFrames; ++n) {
    std::vector<double> wanted;
    for (std::size_t other = 0; other < kFrames; ++other)
      if (other + kWidth <= n || n + kWidth <= other) wanted.push_back(similarity(n, other));
    std::sort(wanted.rbegin(), wanted.rend());
    ASSERT_EQ(nearest[n].size(), 7u);
    for (std::size_t i = 0; i < 7; ++i)
      ASSERT_NEAR(similarity(n, nearest[n][i]), wanted[i], 1e-5) << n;
  }
}

TEST(NearestFrames, AreFewerWhereTheSongIsShort) {
  const std::vector<float> all(10 * 4, 1.0f);
  const auto nearest = FindNearestFrames(
      10, 4, [&](std::size_t n, float* out) { std::copy_n(all.data() + 4 * n, 4, out); },
      {.count = 5, .width = 8});
  EXPECT_EQ(nearest[0], (std::vector<std::uint32_t>{8, 9}));
  EXPECT_EQ(nearest[5], (std::vector<std::uint32_t>{}));
}

// Parts fade into each other: the settings bound the memory, and the stems still sum to the song.
TEST(HpssRepet, TakesLongSongsInParts) {
  const AudioBuffer song = testing::Noise(2, 6 * kRate);
  const auto stems =
      Separated("hpss_repet", "{part_seconds: 2, part_overlap_seconds: 0.5}", song, kRate);
  AudioBuffer sum(2, song.frames());
  for (const AudioBuffer& stem : stems) sum = Sum(sum, stem);
  EXPECT_LT(testing::LargestDifference(sum, song), 1e-5);
}

}  // namespace
}  // namespace stemsmith
