// `mixture: recorded`: one stem takes up what makes the difference.
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kFrames = 20'000;

class RecipeMixture : public DatasetFixture {
 protected:
  RecipeMixture() : DatasetFixture("folders") {
    Audio("song/a.wav", Noise(1, kFrames, 2));
    Audio("song/b.wav", Noise(2, kFrames, 2));
    Audio("song/mixture.wav", Noise(3, kFrames, 2));  // not the sum
  }
  // Of all stems in the cache.
  std::vector<float> Sum() {
    std::vector<float> sum(2 * kFrames, 0.0f);
    const CacheReader cache(out_ / "cache.h5");
    for (const std::string& stem : cache.stems()) {
      const std::vector<float> audio = Stem("song", stem);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += audio[i];
    }
    return sum;
  }
};

TEST_F(RecipeMixture, AResidualOfItsOwnMakesTheSumTheRecordedMixture) {
  ASSERT_TRUE(Prepare("stems: {a: a, b: b}\nmixture: recorded\nresidual: room").failures.empty());
  EXPECT_THAT(CacheReader(out_ / "cache.h5").stems(), ElementsAre("a", "b", "room"));
  EXPECT_EQ(Stem("song", "a"), Samples(Noise(1, kFrames, 2)));
  const std::vector<float> sum = Sum(), mixture = Samples(Noise(3, kFrames, 2));
  for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_NEAR(sum[i], mixture[i], 1e-6) << i;
}

TEST_F(RecipeMixture, AStemOfTheRecipeMayTakeTheResidual) {
  const std::string recipe = "stems: {a: {source: a, gain_db: -6}, other: rest}\nmixture: ";
  ASSERT_TRUE(Prepare(recipe + "recorded\nresidual: other").failures.empty());
  EXPECT_THAT(CacheReader(out_ / "cache.h5").stems(), ElementsAre("a", "other"));
  const std::vector<float> sum = Sum(), mixture = Samples(Noise(3, kFrames, 2));
  // Two stems, each rounded to 16 bits.
  for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_NEAR(sum[i], mixture[i], 1.001 / 32768) << i;
  EXPECT_EQ(Prepare(recipe + "recorded\nresidual: other").kept, 1u);
  EXPECT_EQ(Prepare(recipe + "sum").made, 1u);
  EXPECT_EQ(Stem("song", "other"), Samples(Noise(2, kFrames, 2)));
}

TEST_F(RecipeMixture, NamesSongsWithoutARecordedMixture) {
  Audio("another/a.wav", Noise(1, kFrames, 2));
  const PrepareResult result =
      Prepare("stems: {a: '*'}\nmixture: recorded\nresidual: rest of it\n");
  ASSERT_EQ(result.failures.size(), 1u);
  EXPECT_THAT(result.failures[0].error.what(),
              AllOf(HasSubstr("recorded mixture is missing"), HasSubstr("another")));
  EXPECT_EQ(result.made, 1u);
}

}  // namespace
}  // namespace stemsmith
