// Which channels of the sources a recipe takes, seen in the cache.
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith

constexpr std::size_t kFrames = 20'000;

class RecipeChannels : public DatasetFixture {
 protected:
  RecipeChannels() : DatasetFixture("folders") {
    Audio("train/t/a.wav", Noise(1, kFrames, 2));
    Audio("valid/v/a.wav", Noise(2, kFrames, 2));
    Audio("test/e/a.wav", Noise(3, kFrames, 1));
  }
  static std::vector<float> Channel(std::uint64_t seed, int channel) {
    const AudioBuffer audio = Noise(seed, kFrames, 2);
    return {audio.channel(channel), audio.channel(channel) + kFrames};
  }
  static std::vector<float> Twice(std::vector<float> channel) {
    channel.insert(channel.end(), channel.begin(), channel.end());
    return channel;
  }
};

TEST_F(RecipeChannels, LeftForTrainingAndRightForValidation) {
  ASSERT_TRUE(Prepare("stems: {a: a}\nchannels: {train: left, valid: right, test: right}")
                  .failures.empty());
  EXPECT_EQ(CacheReader(out_ / "cache.h5").channels(), 1);
  EXPECT_EQ(Stem("t", "a"), Channel(1, 0));
  EXPECT_EQ(Stem("v", "a"), Channel(2, 1));
  EXPECT_EQ(Stem("e", "a"), Samples(Noise(3, kFrames, 1)));  // the only channel there is
}

TEST_F(RecipeChannels, OneChannelIsCopiedWhereASplitIsStereo) {
  ASSERT_TRUE(Prepare("stems: {a: a}\nchannels: {train: left}").failures.empty());
  EXPECT_EQ(CacheReader(out_ / "cache.h5").channels(), 2);
  EXPECT_EQ(Stem("t", "a"), Twice(Channel(1, 0)));
  EXPECT_EQ(Stem("v", "a"), Samples(Noise(2, kFrames, 2)));
}

TEST_F(RecipeChannels, MonoIsTheMean) {
  ASSERT_TRUE(Prepare("stems: {a: a}\nchannels: mono").failures.empty());
  const std::vector<float> stem = Stem("t", "a"), left = Channel(1, 0), right = Channel(1, 1);
  ASSERT_EQ(stem.size(), kFrames);
  for (std::size_t t = 0; t < kFrames; ++t) {
    ASSERT_NEAR(stem[t], (left[t] + right[t]) / 2, 0.5001 / 32768);  // a step of 16 bits
  }
}

TEST_F(RecipeChannels, AnotherChoiceMakesTheSongsAnew) {
  EXPECT_EQ(Prepare("stems: {a: a}\nchannels: left").made, 3u);
  EXPECT_EQ(Prepare("stems: {a: a}\nchannels: left").kept, 3u);
  EXPECT_EQ(Prepare("stems: {a: a}\nchannels: {train: right, valid: left, test: left}").made, 1u);
}

}  // namespace
}  // namespace stemsmith
