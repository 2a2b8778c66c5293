#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "augment/augment.h"
#include "core/error.h"
#include "tests/support/error_of.h"
#include "tests/support/lambda_augmentation.h"

namespace stemsmith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LambdaAugmentation;

std::shared_ptr<Augmentation> Apply(LambdaAugmentation::Function function) {
  return std::make_shared<LambdaAugmentation>(std::move(function));
}

std::shared_ptr<Augmentation> Offset(float value) {
  return Apply([value](StemBlock& block, RandomStream&) { block.data[0] += value; });
}
std::shared_ptr<Augmentation> Factor(float value) {
  return Apply([value](StemBlock& block, RandomStream&) { block.data[0] *= value; });
}

float RunOnOne(const AugmentChain& chain, std::uint64_t seed = 1) {
  float sample = 1.0f;
  StemBlock block{.data = &sample, .stems = 1, .channels = 1, .frames = 1};
  chain.Apply(block, RandomStream({seed}));
  return sample;
}

AugmentChain FromYaml(const std::string& list) {
  const Config config = Config::Parse("augment: " + list, "test.yaml");
  return AugmentChain(config.List("augment"));
}

std::string Refusal(const std::string& list) {
  return testing::MessageOf([&] { FromYaml(list); }, ExitCode::kWrongUse);
}

TEST(AugmentChain, AppliesLinksInTheirOrder) {
  AugmentChain chain;
  EXPECT_TRUE(chain.empty());
  chain.Add("offset", 1.0, Offset(2));
  chain.Add("factor", 1.0, Factor(10));
  EXPECT_EQ(chain.size(), 2u);
  EXPECT_EQ(RunOnOne(chain), 30.0f);
  AugmentChain other;
  other.Add("factor", 1.0, Factor(10));
  other.Add("offset", 1.0, Offset(2));
  EXPECT_EQ(RunOnOne(other), 12.0f);
}

TEST(AugmentChain, KeepsTheOrderOfTheConfiguration) {
  const AugmentChain chain = FromYaml("[{name: shift}, {name: gain}, {name: shift}]");
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain.name(0), "shift");
  EXPECT_EQ(chain.name(1), "gain");
  EXPECT_EQ(chain.name(2), "shift");
}

TEST(AugmentChain, ActsWithTheProbabilityOfTheLink) {
  AugmentChain chain;
  chain.Add("never", 0.0, Offset(1000));
  chain.Add("sometimes", 0.3, Offset(1));
  chain.Add("always", 1.0, Offset(100));
  int acted = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const float result = RunOnOne(chain, seed);
    ASSERT_TRUE(result == 101.0f || result == 102.0f) << result;
    acted += result == 102.0f;
  }
  EXPECT_NEAR(acted, 300, 60);
}

TEST(AugmentChain, ActsOnPlanAndAudioOfTheSameSamples) {
  class Both : public Augmentation {
   public:
    void Plan(ReadPlan& plan, const TrackTable&, RandomStream& random) const override {
      plan.stems[0].start_frame = 5;
      for (int i = 0; i < 3; ++i) random.Bits();
    }
    void Apply(StemBlock& block, RandomStream&) const override { block.data[0] = 5.0f; }
  };
  AugmentChain chain;
  chain.Add("both", 0.5, std::make_shared<Both>());
  const TrackTable tracks({100}, 44100);
  int acted = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ReadPlan plan{.stems = {{.track = 0, .start_frame = 1}}, .frames = 10};
    chain.Plan(plan, tracks, RandomStream({seed}));
    ASSERT_EQ(static_cast<float>(plan.stems[0].start_frame), RunOnOne(chain, seed));
    acted += plan.stems[0].start_frame == 5;
  }
  EXPECT_GT(acted, 25);
  EXPECT_LT(acted, 75);
}

TEST(AugmentChain, LinksDoNotDisturbEachOther) {
  // What the last link draws is the same whatever the one before it draws, and whether it acts at
  // all.
  const auto last_draw = [](double probability, int draws) {
    std::uint64_t bits = 0;
    AugmentChain chain;
    chain.Add("first", probability, Apply([draws](StemBlock&, RandomStream& random) {
                for (int i = 0; i < draws; ++i) random.Bits();
              }));
    chain.Add("last", 1.0,
              Apply([&bits](StemBlock&, RandomStream& random) { bits = random.Bits(); }));
    RunOnOne(chain);
    return bits;
  };
  EXPECT_EQ(last_draw(1.0, 0), last_draw(1.0, 7));
  EXPECT_EQ(last_draw(1.0, 0), last_draw(0.0, 7));
}

TEST(AugmentChain, GivesLinksOfOneKindStreamsOfTheirOwn) {
  std::vector<std::uint64_t> bits;
  AugmentChain chain;
  for (int i = 0; i < 2; ++i)
    chain.Add("same", 1.0,
              Apply([&](StemBlock&, RandomStream& random) { bits.push_back(random.Bits()); }));
  RunOnOne(chain);
  ASSERT_EQ(bits.size(), 2u);
  EXPECT_NE(bits[0], bits[1]);
}

TEST(AugmentChain, NamesTheNearestForAnUnknownName) {
  const std::string message = Refusal("[{name: gian}]");
  EXPECT_THAT(message, HasSubstr("gian"));
  EXPECT_THAT(message, HasSubstr("did you mean 'gain'?"));
  EXPECT_THAT(message, HasSubstr("test.yaml:1"));
  EXPECT_THAT(message, HasSubstr("channel_swap"));  // the known ones
}

TEST(AugmentChain, RefusesValuesOutOfRange) {
  EXPECT_THAT(Refusal("[{name: gain, probability: 1.5}]"), HasSubstr("probability"));
  EXPECT_THAT(Refusal("[{name: gain, probability: -0.1}]"), HasSubstr("probability"));
  EXPECT_THAT(Refusal("[{name: shift, max_seconds: -1}]"), HasSubstr("max_seconds"));
  EXPECT_THAT(Refusal("[{name: remix, per_stem_probability: 2}]"),
              HasSubstr("per_stem_probability"));
  EXPECT_THAT(Refusal("[{probability: 1.0}]"), HasSubstr("name"));
}

TEST(AugmentChain, TakesTheShippedPresets) {
  const auto names = [](const std::string& preset) {
    const Config config =
        Config::Load(std::string(STEMSMITH_SOURCE_DIR) + "/configs/augment/" + preset);
    const AugmentChain chain(config.List("augment"));
    config.CheckAllRead();
    std::vector<std::string> names;
    for (std::size_t i = 0; i < chain.size(); ++i) names.push_back(chain.name(i));
    return names;
  };
  EXPECT_THAT(names("standard.yaml"),
              ElementsAre("remix", "shift", "gain", "channel_swap", "polarity"));
  EXPECT_THAT(names("open-unmix.yaml"), ElementsAre("remix", "gain", "channel_swap"));
#ifdef STEMSMITH_HAS_RUBBERBAND
  EXPECT_THAT(names("demucs.yaml"), ElementsAre("remix_batch", "shift", "pitch_tempo",
                                                "channel_swap", "polarity", "gain"));
#endif
}

}  // namespace
}  // namespace stemsmith
