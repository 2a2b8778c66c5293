// Over the whole table: what every augmentation promises, with its defaults.
#include "augment/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace stemsmith {
namespace {

constexpr int kStems = 3, kChannels = 2, kRate = 8000;
constexpr std::int64_t kFrames = 4000;

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
  static const TrackTable tracks({32000, 2400, 80000, 20000}, kRate);
  return tracks;
}

class Epoch : public EpochSamples {
 public:
  explicit Epoch(std::uint64_t seed) : seed_(seed) {}
  std::int64_t size() const override { return 10; }
  ReadPlan::Piece PieceOf(std::int64_t index, std::size_t) const override {
    return {.track = 2, .start_frame = 1000 * index};
  }
  RandomStream SharedStream() const override { return RandomStream({seed_}); }

 private:
  std::uint64_t seed_;
};

ReadPlan PlanAt(std::size_t track, std::int64_t start) {
  return {.stems = std::vector<ReadPlan::Piece>(kStems, {.track = track, .start_frame = start}),
          .frames = kFrames,
          .index = 5};
}

class EveryAugmentation : public ::testing::TestWithParam<AugmentationRow> {
 protected:
  void SetUp() override {
#ifndef STEMSMITH_HAS_RUBBERBAND
    if (GetParam().name == std::string("pitch_tempo")) GTEST_SKIP() << "built without Rubber Band";
#endif
#ifndef STEMSMITH_HAS_LIBAV
    if (GetParam().name == std::string("codec")) GTEST_SKIP() << "built without libav";
#endif
  }
  std::unique_ptr<Augmentation> Make() const { return GetParam().make(Config()); }
  // Rubber Band takes a tenth of a second for each.
  std::uint64_t Seeds() const { return GetParam().name == std::string("pitch_tempo") ? 3 : 20; }
};

TEST_P(EveryAugmentation, GivesTheSameForTheSameSeedAndElseForAnother) {
  const auto augmentation = Make();
  std::uint64_t differing = 0;
  for (std::uint64_t seed = 0; seed < Seeds(); ++seed) {
    std::vector<float> audio[3] = {Noise(1), Noise(1), Noise(1)};
    ReadPlan plans[3] = {PlanAt(2, 32000), PlanAt(2, 32000), PlanAt(2, 32000)};
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t other = i == 2 ? 1000 : 0;
      const Epoch epoch(seed + other);
      plans[i].epoch = &epoch;
      // The same stream for both, as the chain has it.
      RandomStream plan_random({seed + other}), audio_random({seed + other});
      augmentation->Plan(plans[i], Tracks(), plan_random);
      StemBlock block = BlockOf(audio[i]);
      augmentation->Apply(block, audio_random);
    }
    EXPECT_EQ(audio[0], audio[1]);
    EXPECT_EQ(plans[0].stems, plans[1].stems);
    EXPECT_EQ(plans[0].extras, plans[1].extras);
    EXPECT_EQ(plans[0].frames, plans[1].frames);
    differing += audio[0] != audio[2] || plans[0].stems != plans[2].stems ||
                 plans[0].extras != plans[2].extras;
  }
  EXPECT_GT(differing, Seeds() / 5);  // the rarest one acts on a stem in ten
}

TEST_P(EveryAugmentation, PlansInsideTheTracks) {
  const auto augmentation = Make();
  for (std::uint64_t seed = 0; seed < Seeds(); ++seed) {
    const Epoch epoch(seed);
    ReadPlan plan = PlanAt(0, seed % 2 == 0 ? 0 : 28000);
    plan.epoch = &epoch;
    RandomStream random({seed});
    augmentation->Plan(plan, Tracks(), random);
    ASSERT_EQ(plan.stems.size(), kStems);
    EXPECT_GE(plan.frames, kFrames);
    EXPECT_LE(plan.frames, kFrames * 6 / 5);
    std::vector<ReadPlan::Piece> pieces = plan.stems;
    for (const ReadPlan::Extra& extra : plan.extras) {
      EXPECT_LT(extra.stem, kStems);
      EXPECT_TRUE(std::isfinite(extra.factor));
      pieces.push_back(extra.piece);
    }
    for (const ReadPlan::Piece& piece : pieces) {
      ASSERT_LT(piece.track, Tracks().size());
      EXPECT_GE(piece.start_frame, Tracks().FirstStart(piece.track, plan.frames));
      EXPECT_LE(piece.start_frame, Tracks().LastStart(piece.track, plan.frames));
    }
  }
}

TEST_P(EveryAugmentation, KeepsShapeAndStaysFinite) {
  const auto augmentation = Make();
  for (std::uint64_t seed = 0; seed < Seeds(); ++seed) {
    ReadPlan plan = PlanAt(0, 0);
    RandomStream plan_random({seed}), audio_random({seed});
    augmentation->Plan(plan, Tracks(), plan_random);
    std::vector<float> audio = Noise(seed);
    audio.resize(static_cast<std::size_t>(kStems * kChannels * plan.frames), 0.1f);
    StemBlock block = BlockOf(audio);
    block.frames = plan.frames;
    augmentation->Apply(block, audio_random);
    EXPECT_EQ(block.data, audio.data());
    EXPECT_EQ(block.stems, kStems);
    EXPECT_EQ(block.channels, kChannels);
    // The frames that were asked for are there, whatever more the plan asked for.
    EXPECT_GE(block.frames, kFrames);
    EXPECT_LE(block.frames, plan.frames);
    for (const float sample : audio) ASSERT_TRUE(std::isfinite(sample));
  }
}

TEST_P(EveryAugmentation, LeavesSilenceSilent) {
  const auto augmentation = Make();
  for (std::uint64_t seed = 0; seed < Seeds() / 3; ++seed) {
    std::vector<float> audio(kStems * kChannels * kFrames, 0.0f);
    StemBlock block = BlockOf(audio);
    RandomStream random({seed});
    augmentation->Apply(block, random);
    for (const float sample : audio) ASSERT_NEAR(sample, 0.0f, 1e-6f);
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
  for (std::uint64_t seed = 0; seed < Seeds() / 3; ++seed) {
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
