// Over the whole table: what every augmentation promises, with its defaults.
#include "augment/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace stemsmith {
namespace {

constexpr int kStems = 3, kChannels = 2, kRate = 1000;
constexpr std::int64_t kFrames = 500;

std::vector<float> Noise(std::uint64_t seed) {
  RandomStream random({seed});
  std::vector<float> samples(kStems * kChannels * kFrames);
  for (float& sample : samples) sample = static_cast<float>(random.Uniform(-1.0, 1.0));
  return samples;
}

StemBlock BlockOf(std::vector<float>& samples) {
  return {.data = samples.data(),
          .stems = kStems,
          .channels = kChannels,
          .frames = kFrames,
          .sample_rate_hz = kRate};
}

const TrackTable& Tracks() {
  static const TrackTable tracks({4000, 300, 10000, 2500}, kRate);
  return tracks;
}

ReadPlan PlanAt(std::size_t track, std::int64_t start) {
  return {.stems = std::vector<ReadPlan::Piece>(kStems, {.track = track, .start_frame = start}),
          .frames = kFrames};
}

class EveryAugmentation : public ::testing::TestWithParam<AugmentationRow> {
 protected:
  std::unique_ptr<Augmentation> Make() const { return GetParam().make(Config()); }
};

TEST_P(EveryAugmentation, GivesTheSameForTheSameSeedAndElseForAnother) {
  const auto augmentation = Make();
  int differing = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<float> audio[3] = {Noise(1), Noise(1), Noise(1)};
    ReadPlan plans[3] = {PlanAt(2, 4000), PlanAt(2, 4000), PlanAt(2, 4000)};
    for (int i = 0; i < 3; ++i) {
      RandomStream plan_random({seed + (i == 2 ? 1000 : 0), 1});
      RandomStream audio_random({seed + (i == 2 ? 1000 : 0), 2});
      augmentation->Plan(plans[i], Tracks(), plan_random);
      StemBlock block = BlockOf(audio[i]);
      augmentation->Apply(block, audio_random);
    }
    EXPECT_EQ(audio[0], audio[1]);
    EXPECT_EQ(plans[0].stems, plans[1].stems);
    differing += audio[0] != audio[2] || plans[0].stems != plans[2].stems;
  }
  EXPECT_GT(differing, 10);
}

TEST_P(EveryAugmentation, KeepsShapeAndStaysFinite) {
  const auto augmentation = Make();
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<float> audio = Noise(seed);
    StemBlock block = BlockOf(audio);
    ReadPlan plan = PlanAt(0, 0);
    RandomStream random({seed});
    augmentation->Plan(plan, Tracks(), random);
    augmentation->Apply(block, random);
    EXPECT_EQ(block.data, audio.data());
    EXPECT_EQ(block.stems, kStems);
    EXPECT_EQ(block.channels, kChannels);
    EXPECT_EQ(block.frames, kFrames);
    for (const float sample : audio) ASSERT_TRUE(std::isfinite(sample));
    ASSERT_EQ(plan.stems.size(), kStems);
    EXPECT_EQ(plan.frames, kFrames);
    for (const ReadPlan::Piece& piece : plan.stems) {
      ASSERT_LT(piece.track, Tracks().size());
      EXPECT_GE(piece.start_frame, Tracks().FirstStart(piece.track, kFrames));
      EXPECT_LE(piece.start_frame, Tracks().LastStart(piece.track, kFrames));
    }
  }
}

TEST_P(EveryAugmentation, TakesMonoAndASingleFrame) {
  const auto augmentation = Make();
  std::vector<float> audio = {0.25f, -0.5f};
  StemBlock block{.data = audio.data(), .stems = 2, .channels = 1, .frames = 1};
  RandomStream random({3});
  augmentation->Apply(block, random);
  for (const float sample : audio) EXPECT_TRUE(std::isfinite(sample));
}

TEST_P(EveryAugmentation, StaysInsideItsBlock) {
  const auto augmentation = Make();
  std::vector<float> padded = Noise(4);
  padded.insert(padded.begin(), 16, 7.0f);
  padded.insert(padded.end(), 16, 7.0f);
  StemBlock block{.data = padded.data() + 16,
                  .stems = kStems,
                  .channels = kChannels,
                  .frames = kFrames,
                  .sample_rate_hz = kRate};
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    RandomStream random({seed});
    augmentation->Apply(block, random);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(padded[i], 7.0f);
    EXPECT_EQ(padded[padded.size() - 1 - i], 7.0f);
  }
}

TEST_P(EveryAugmentation, HasASummaryAndRefusesKeysItDoesNotKnow) {
  EXPECT_STRNE(GetParam().summary, "");
  const Config config = Config::Parse(
      std::string("augment: [{name: ") + GetParam().name + ", no_such_key: 1}]", "test.yaml");
  const AugmentChain chain(config.List("augment"));
  EXPECT_THROW(config.CheckAllRead(), Error);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryAugmentation, ::testing::ValuesIn(AugmentationTable()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace

// How gtest shows a row in the names of failures.
void PrintTo(const AugmentationRow& row, std::ostream* out) { *out << row.name; }

}  // namespace stemsmith
