#include "datasets/prepare/silence_trimmer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/random.h"

namespace stemsmith {
namespace {

namespace silence_trimmer_tests {

constexpr int kColumns = 4;  // two stereo stems

SilenceTrimmerOptions Options() {
  return {.stems = 2,
          .channels = 2,
          .threshold_db = -40,
          .min_silence_frames = 1000,
          .guard_frames = 100};
}

// A stretch of so many frames at a level; the columns are told apart by their fractions.
struct Stretch {
  std::size_t frames;
  float level;
};

std::vector<float> Song(const std::vector<Stretch>& stretches) {
  std::vector<float> song;
  float number = 0;
  for (const Stretch& stretch : stretches) {
    for (std::size_t t = 0; t < stretch.frames; ++t, number += 1.0f) {
      // Never above the level, and each frame like no other near it.
      const float part = 0.5f + 0.5f * std::fmod(number, 997.0f) / 997.0f;
      for (int c = 0; c < kColumns; ++c) {
        const float sign = (c / 2) % 2 == 0 ? 1.0f : -1.0f;
        song.push_back(sign * stretch.level * part);
      }
    }
  }
  return song;
}

std::vector<float> Frames(const std::vector<float>& song, std::size_t from, std::size_t to) {
  return {song.begin() + static_cast<std::ptrdiff_t>(from * kColumns),
          song.begin() + static_cast<std::ptrdiff_t>(to * kColumns)};
}

std::vector<float> Trimmed(const std::vector<float>& song, std::size_t block,
                           const SilenceTrimmerOptions& options = Options()) {
  SilenceTrimmer trimmer(options);
  std::vector<float> all;
  const std::size_t frames = song.size() / kColumns;
  for (std::size_t t = 0; t < frames; t += block) {
    const auto& part = trimmer.Push(song.data() + t * kColumns, std::min(block, frames - t));
    all.insert(all.end(), part.begin(), part.end());
  }
  const auto& rest = trimmer.Finish();
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

std::vector<float> operator+(std::vector<float> a, const std::vector<float>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(SilenceTrimmer, CutsLongSilencesButForAGuardOnEitherSide) {
  const auto song = Song({{500, 0.5f}, {5000, 0.001f}, {300, 0.5f}});
  for (const std::size_t block : {1u, 7u, 100u, 1000u, 100'000u}) {
    EXPECT_EQ(Trimmed(song, block), Frames(song, 0, 600) + Frames(song, 5400, 5800)) << block;
  }
}

TEST(SilenceTrimmer, KeepsSilencesThatAreShorter) {
  const auto song = Song({{999, 0.001f}, {500, 0.5f}, {999, 0.001f}, {300, 0.5f}, {999, 0.001f}});
  for (const std::size_t block : {1u, 64u, 100'000u}) EXPECT_EQ(Trimmed(song, block), song);
  const auto just = Song({{500, 0.5f}, {1000, 0.001f}, {300, 0.5f}});
  EXPECT_EQ(Trimmed(just, 64), Frames(just, 0, 600) + Frames(just, 1400, 1800));
}

TEST(SilenceTrimmer, CutsBothEndsUpToTheGuardOfWhatSounds) {
  const auto song = Song({{3000, 0.0f}, {500, 0.5f}, {200'000, 0.0f}});
  for (const std::size_t block : {33u, 5000u}) {
    EXPECT_EQ(Trimmed(song, block), Frames(song, 2900, 3600)) << block;
  }
}

TEST(SilenceTrimmer, LeavesNothingOfSilenceAlone) {
  EXPECT_TRUE(Trimmed(Song({{5000, 0.001f}}), 512).empty());
}

TEST(SilenceTrimmer, AStemOrTheSumThatReachesTheThresholdSounds) {
  // -40 dB is 0.01. Alone, each stem stays below; together they do not.
  std::vector<float> one(5000 * kColumns, 0.0f);
  one[2500 * kColumns + 3] = 0.0101f;
  EXPECT_EQ(Trimmed(one, 512).size(), 201u * kColumns);
  std::vector<float> both(5000 * kColumns, 0.0f);
  both[2500 * kColumns + 1] = 0.006f;
  EXPECT_TRUE(Trimmed(both, 512).empty());
  both[2500 * kColumns + 3] = 0.006f;
  EXPECT_EQ(Trimmed(both, 512).size(), 201u * kColumns);
  both[2500 * kColumns + 3] = -0.006f;  // they cancel: silent in the mixture, too
  EXPECT_TRUE(Trimmed(both, 512).empty());
}

// Against the definition, frame by frame with the whole song in hand.
TEST(SilenceTrimmer, AgreesWithTheDefinitionOnRandomSongs) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    RandomStream random({seed});
    std::vector<Stretch> stretches;
    for (int i = 0; i < 8; ++i) {
      stretches.push_back({1 + random.Below(2500), random.Below(2) == 0 ? 0.0f : 0.3f});
    }
    const auto song = Song(stretches);
    const std::size_t frames = song.size() / kColumns;
    const auto silent = [&](std::size_t t) { return std::abs(song[t * kColumns]) < 0.01f; };
    std::vector<float> want;
    for (std::size_t t = 0; t < frames;) {
      std::size_t end = t;
      while (end < frames && silent(end) == silent(t)) ++end;
      if (!silent(t) || end - t < 1000) {
        want = want + Frames(song, t, end);
      } else {
        if (t > 0) want = want + Frames(song, t, t + 100);
        if (end < frames) want = want + Frames(song, end - 100, end);
      }
      t = end;
    }
    ASSERT_EQ(Trimmed(song, 1 + random.Below(3000)), want) << "seed " << seed;
  }
}

}  // namespace silence_trimmer_tests
}  // namespace
}  // namespace stemsmith
