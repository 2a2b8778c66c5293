#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/baselines/baseline_songs.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

using testing::Energy;
using ::testing::HasSubstr;
using testing::LargestDifference;
using testing::Separated;
using testing::Sine;
using testing::Sum;

constexpr char kTwo[] = "{order: 4, bands: {low: {high_hz: 500}, high: {low_hz: 500}}}";

TEST(Bands, PutTonesIntoTheirBands) {
  const AudioBuffer low = Sine(2, 44100, 100, 44100), high = Sine(2, 44100, 3000, 44100);
  const auto stems = Separated("bands", kTwo, Sum(low, high), 44100);
  // But for the filter's ringing where the tones begin and end.
  EXPECT_NEAR(Energy(stems[0]) / Energy(low), 1, 0.01);
  EXPECT_NEAR(Energy(stems[1]) / Energy(high), 1, 0.01);
}

// |H|² of a low and a high pass of one corner sum to one, without phase.
TEST(Bands, OfOneCornerSumToTheSongWhereZeroPhase) {
  const AudioBuffer song = testing::Noise(2, 60000);
  const auto stems = Separated("bands", kTwo, song, 44100);
  EXPECT_LT(LargestDifference(Sum(stems[0], stems[1]), song), 1e-6);
}

// The blocks that the backward filter goes through leave no trace: a song of another beginning has
// other blocks.
TEST(Bands, DoNotDependOnBlocks) {
  const AudioBuffer song = testing::Noise(1, 50000);
  AudioBuffer later(1, song.frames() + 5000);
  std::copy_n(song.channel(0), song.frames(), later.channel(0) + 5000);
  const auto stems = Separated("bands", kTwo, song, 44100),
             moved = Separated("bands", kTwo, later, 44100);
  for (std::size_t t = 0; t < song.frames(); ++t)
    ASSERT_NEAR(stems[0].channel(0)[t], moved[0].channel(0)[t + 5000], 2e-7);
}

TEST(Bands, AboveHalfTheRateAreSilentOrOpen) {
  const AudioBuffer song = testing::Noise(1, 8000);
  const auto stems =
      Separated("bands", "{bands: {all: {high_hz: 5000}, none: {low_hz: 5000}}}", song, 8000);
  EXPECT_LT(LargestDifference(stems[0], song), 1e-7);
  EXPECT_EQ(Energy(stems[1]), 0);
}

TEST(Bands, RefuseEmptyOnes) {
  const Error error = testing::ErrorOf([] {
    Separated("bands", "{bands: {a: {low_hz: 300, high_hz: 200}}}", AudioBuffer(1, 10), 8000);
  });
  EXPECT_THAT(error.what(), HasSubstr("the band of 'a' is empty"));
}

}  // namespace
}  // namespace stemsmith
