// What the figures are is compared with museval in tests/reference/test_evaluate.py.
#include "evaluate/bss_eval/bss_eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/evaluate/memory_pair.h"

namespace stemsmith {
namespace {

using testing::MemoryPair;
using testing::RandomPair;

BssEvalOptions Windows(std::size_t window, std::size_t hop) {
  BssEvalOptions options;
  options.window = window;
  options.hop = hop;
  options.filter_length = 32;
  return options;
}

TEST(BssEval, CountsWholeWindows) {
  MemoryPair song = RandomPair(2, 1, 1040);
  EXPECT_EQ(BssEval(song, Windows(100, 100)).sdr[0].size(), 10u);
  EXPECT_EQ(BssEval(song, Windows(100, 50)).sdr[0].size(), 19u);
  EXPECT_EQ(BssEval(song, Windows(0, 1)).sdr[0].size(), 1u);
  EXPECT_EQ(BssEval(song, Windows(5000, 100)).sdr[0].size(), 1u) << "a song shorter than a window";
}

TEST(BssEval, TheSameWindowsHaveTheSameFiguresHoweverTheyAreReached) {
  MemoryPair song = RandomPair(2, 2, 1040);
  const BssEvalResult tiled = BssEval(song, Windows(100, 100));
  const BssEvalResult overlapping = BssEval(song, Windows(100, 50));
  for (std::size_t w = 0; w < 10; ++w) {
    EXPECT_NEAR(tiled.sir[1][w], overlapping.sir[1][2 * w], 1e-8);
    EXPECT_NEAR(tiled.sar[0][w], overlapping.sar[0][2 * w], 1e-8);
  }
}

TEST(BssEval, SdrIsWhatItSays) {
  MemoryPair song = RandomPair(1, 2, 400);
  double signal = 0, error = 0;
  for (std::size_t i = 0; i < song.reference(0).samples().size(); ++i) {
    const double r = song.reference(0).samples()[i], e = song.estimate(0).samples()[i];
    signal += r * r;
    error += (r - e) * (r - e);
  }
  EXPECT_NEAR(BssEval(song, Windows(0, 1)).sdr[0][0], 10 * std::log10(signal / error), 1e-9);
}

TEST(BssEval, PerfectEstimatesHaveNoDistortion) {
  MemoryPair song = RandomPair(2, 1, 500);
  song.estimate(0) = song.reference(0);
  song.estimate(1) = song.reference(1);
  const BssEvalResult result = BssEval(song, Windows(0, 1));
  EXPECT_EQ(result.sdr[0][0], std::numeric_limits<double>::infinity());
  EXPECT_EQ(result.sir[1][0], 310);
}

TEST(BssEval, WindowsWithASilentStemHaveNoFigures) {
  MemoryPair song = RandomPair(2, 1, 300);
  std::fill_n(song.estimate(1).channel(0) + 100, 100, 0.0f);
  const BssEvalResult result = BssEval(song, Windows(100, 100));
  EXPECT_TRUE(std::isfinite(result.sdr[0][0]));
  EXPECT_TRUE(std::isnan(result.sdr[0][1]));
  EXPECT_TRUE(std::isnan(result.sar[1][1]));
  EXPECT_TRUE(std::isfinite(result.sdr[1][2]));
}

TEST(BssEval, ReferencesThatAreCopiesOfOthersAreLeftOut) {
  MemoryPair song = RandomPair(3, 1, 900);
  for (std::size_t t = 0; t < 900; ++t)  // the inverse of another, and a silent one
    song.reference(2).channel(0)[t] = -song.reference(0).channel(0)[t];
  const BssEvalResult result = BssEval(song, Windows(300, 300));
  EXPECT_EQ(result.dependent_channels, 1);
  EXPECT_TRUE(std::isfinite(result.sir[1][0]));
  std::fill_n(song.reference(2).channel(0), 900, 0.0f);
  const BssEvalResult silent = BssEval(song, Windows(300, 300));
  EXPECT_EQ(silent.dependent_channels, 1);
  EXPECT_TRUE(std::isnan(silent.sdr[0][0]));
}

TEST(BssEval, FindsTheOrderOfEstimates) {
  MemoryPair song = RandomPair(2, 1, 900);
  std::swap(song.estimate(0), song.estimate(1));
  BssEvalOptions options = Windows(300, 300);
  options.permute = true;
  const BssEvalResult result = BssEval(song, options);
  EXPECT_THAT(result.order, ::testing::ElementsAre(::testing::ElementsAre(1, 0)));
  EXPECT_GT(result.sir[0][0], 0);
}

TEST(BssEval, RefusesNothing) {
  MemoryPair song({AudioBuffer(1, 0)}, {AudioBuffer(1, 0)});
  EXPECT_THROW(BssEval(song), Error);
}

}  // namespace
}  // namespace stemsmith
