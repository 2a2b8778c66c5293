// The augmentations that change what is read: trades in a group, mixup, tempo; and dropout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "tests/augment/audio_fixture.h"

namespace stemsmith {
namespace {

constexpr std::size_t kStems = 4;

// Sample i is read from frame 1000 i of track 0.
class Epoch : public EpochSamples {
 public:
  Epoch(std::int64_t size, std::uint64_t seed) : size_(size), seed_(seed) {}
  std::int64_t size() const override { return size_; }
  ReadPlan::Piece PieceOf(std::int64_t index, std::size_t) const override {
    return {.track = 0, .start_frame = 1000 * index};
  }
  RandomStream SharedStream() const override { return RandomStream({seed_}); }

 private:
  std::int64_t size_;
  std::uint64_t seed_;
};

ReadPlan PlanOf(const AugmentChain& chain, const Epoch& epoch, std::int64_t index) {
  ReadPlan plan{.frames = 100, .epoch = &epoch, .index = index};
  for (std::size_t s = 0; s < kStems; ++s) plan.stems.push_back(epoch.PieceOf(index, s));
  chain.Plan(plan, TrackTable({1'000'000}, 1000),
             RandomStream({99, static_cast<std::uint64_t>(index)}));
  return plan;
}

TEST(RemixBatch, TradesEachStemOfAGroupOnce) {
  const AugmentChain chain = ChainOf("name: remix_batch, group_size: 4");
  const Epoch epoch(22, 7);
  std::set<std::vector<std::int64_t>> orders;
  for (std::int64_t group = 0; group < 6; ++group) {
    const std::int64_t begin = 4 * group, end = std::min<std::int64_t>(begin + 4, 22);
    for (std::size_t s = 0; s < kStems; ++s) {
      std::vector<std::int64_t> order;
      for (std::int64_t i = begin; i < end; ++i)
        order.push_back(PlanOf(chain, epoch, i).stems[s].start_frame / 1000 - begin);
      if (end - begin == 4) orders.insert(order);
      std::sort(order.begin(), order.end());
      std::vector<std::int64_t> all;
      for (std::int64_t i = begin; i < end; ++i) all.push_back(i - begin);
      EXPECT_EQ(order, all) << "group " << group << ", stem " << s;
    }
  }
  EXPECT_GT(orders.size(), 8u);  // of 20 draws from 24 orders
}

TEST(RemixBatch, DiffersByEpoch) {
  const AugmentChain chain = ChainOf("name: remix_batch, group_size: 8");
  int alike = 0;
  for (std::int64_t i = 0; i < 8; ++i)
    alike += PlanOf(chain, Epoch(8, 1), i).stems == PlanOf(chain, Epoch(8, 2), i).stems;
  EXPECT_LT(alike, 3);
}

TEST(RemixBatch, LeavesASampleWithoutEpochAlone) {
  const AugmentChain chain = ChainOf("name: remix_batch");
  ReadPlan plan{.stems = {{.track = 0, .start_frame = 5}, {.track = 0, .start_frame = 5}},
                .frames = 10};
  const std::vector<ReadPlan::Piece> before = plan.stems;
  chain.Plan(plan, TrackTable({1000}, 1000), RandomStream({1}));
  EXPECT_EQ(plan.stems, before);
}

TEST(Mixup, AddsTheSameStemFromAnywhere) {
  const AugmentChain chain = ChainOf("name: mixup, per_stem_probability: 0.5, gain_db: [-20, -6]");
  const TrackTable tracks({1000, 3000}, 1000);
  std::size_t added = 0, from_second = 0;
  double lowest = 9, highest = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    ReadPlan plan{.stems = std::vector<ReadPlan::Piece>(kStems), .frames = 100};
    chain.Plan(plan, tracks, RandomStream({seed}));
    EXPECT_EQ(plan.stems, std::vector<ReadPlan::Piece>(kStems));  // as they were
    std::set<std::size_t> stems;
    for (const ReadPlan::Extra& extra : plan.extras) {
      stems.insert(extra.stem);
      from_second += extra.piece.track;
      lowest = std::min(lowest, static_cast<double>(extra.factor));
      highest = std::max(highest, static_cast<double>(extra.factor));
    }
    EXPECT_EQ(stems.size(), plan.extras.size());
    added += plan.extras.size();
  }
  EXPECT_NEAR(added, 1000, 100);
  EXPECT_NEAR(from_second, added * 3 / 4, 60);
  EXPECT_NEAR(Decibel(lowest), -20, 0.2);
  EXPECT_NEAR(Decibel(highest), -6, 0.2);
}

TEST(StemDropout, SilencesWithItsProbabilityAndKeepsOne) {
  const auto counts = [](const std::string& options) {
    const AugmentChain chain = ChainOf("name: stem_dropout, " + options);
    std::vector<int> silent_stems(5);
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
      Audio audio(4, 2, 4);
      std::fill(audio.samples.begin(), audio.samples.end(), 0.5f);
      audio.Apply(chain, seed);
      std::size_t silent = 0;
      for (int s = 0; s < 4; ++s) {
        const float first = audio.block.channel(s, 0)[0];
        for (int c = 0; c < 2; ++c)
          for (int i = 0; i < 4; ++i) EXPECT_EQ(audio.block.channel(s, c)[i], first);
        EXPECT_TRUE(first == 0.0f || first == 0.5f);
        silent += first == 0.0f;
      }
      ++silent_stems[silent];
    }
    return silent_stems;
  };
  // Binomial: four stems at a quarter each.
  const std::vector<int> some = counts("per_stem_probability: 0.25");
  EXPECT_NEAR(some[0], 316, 60);
  EXPECT_NEAR(some[1], 422, 60);
  EXPECT_NEAR(some[2], 211, 55);
  EXPECT_THAT(counts("per_stem_probability: 1"), ::testing::ElementsAre(0, 0, 0, 1000, 0));
  EXPECT_THAT(counts("per_stem_probability: 1, keep_at_least: 0"),
              ::testing::ElementsAre(0, 0, 0, 0, 1000));
}

}  // namespace
}  // namespace stemsmith
