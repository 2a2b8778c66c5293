#include "datasets/loader/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace stemsmith {
namespace {

constexpr int kRate = 1000;

Sampler Make(std::vector<std::int64_t> frames, SamplerOptions options) {
  return Sampler(TrackTable(std::move(frames), kRate), options);
}

TEST(Sampler, PermutesAnyNumberOfIndices) {
  for (const std::uint64_t size : {1, 2, 3, 4, 5, 7, 16, 17, 100, 1000}) {
    std::set<std::uint64_t> images;
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t image = PermutedIndex(i, size, RandomStream({size}));
      ASSERT_LT(image, size);
      images.insert(image);
    }
    EXPECT_EQ(images.size(), size);
  }
}

TEST(Sampler, PermutesDifferentlyForEachKeyAndWithoutPattern) {
  int fixed = 0, neighbours = 0, same = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t here = PermutedIndex(i, 1001, RandomStream({1}));
    fixed += here == i;
    neighbours += PermutedIndex(i + 1, 1001, RandomStream({1})) == here + 1;
    same += PermutedIndex(i, 1001, RandomStream({2})) == here;
  }
  // Each is expected once; ten is far out.
  EXPECT_LT(fixed, 10);
  EXPECT_LT(neighbours, 10);
  EXPECT_LT(same, 10);
}

TEST(Sampler, TakesTheTotalLengthForAnEpoch) {
  const Sampler sampler = Make({5000, 3000}, {.segment_frames = 100, .batch_size = 8});
  EXPECT_EQ(sampler.samples_per_epoch(), 80);
  EXPECT_EQ(sampler.batches_per_epoch(), 10);
}

TEST(Sampler, CutsAnEpochDownToWholeBatchesOfAllRanks) {
  const SamplerOptions options{
      .segment_frames = 100, .batch_size = 4, .samples_per_epoch = 47, .world_size = 3};
  const Sampler sampler = Make({5000}, options);
  EXPECT_EQ(sampler.samples_per_epoch(), 36);
  EXPECT_EQ(sampler.batches_per_epoch(), 3);
}

TEST(Sampler, CutsAnEpochDownToWholeSteps) {
  const SamplerOptions parts{.segment_frames = 100,
                             .batch_size = 2,
                             .batches_per_step = 3,
                             .samples_per_epoch = 47,
                             .world_size = 2};
  const SamplerOptions whole{
      .segment_frames = 100, .batch_size = 6, .samples_per_epoch = 47, .world_size = 2};
  const Sampler a = Make({5000}, parts), b = Make({5000}, whole);
  EXPECT_EQ(a.samples_per_epoch(), b.samples_per_epoch());
  EXPECT_EQ(a.batches_per_epoch(), 3 * b.batches_per_epoch());
}

TEST(Sampler, HasAtLeastOneBatchForEachRank) {
  const SamplerOptions options{.segment_frames = 100, .batch_size = 16, .world_size = 2};
  const Sampler sampler = Make({250}, options);
  EXPECT_EQ(sampler.batches_per_epoch(), 1);
  EXPECT_EQ(sampler.samples_per_epoch(), 32);
}

TEST(Sampler, GivesEachRankItsShare) {
  std::set<std::int64_t> seen;
  for (int rank = 0; rank < 3; ++rank) {
    const SamplerOptions options{.segment_frames = 100,
                                 .batch_size = 4,
                                 .samples_per_epoch = 24,
                                 .rank = rank,
                                 .world_size = 3};
    const Sampler sampler = Make({5000}, options);
    for (std::int64_t batch = 0; batch < sampler.batches_per_epoch(); ++batch) {
      for (std::int64_t slot = 0; slot < 4; ++slot) {
        const std::int64_t index = sampler.IndexOf(batch, slot);
        EXPECT_EQ(index % 3, rank);
        EXPECT_TRUE(seen.insert(index).second);
      }
    }
  }
  EXPECT_EQ(seen.size(), 24u);
  EXPECT_EQ(*seen.rbegin(), 23);
}

TEST(Sampler, VisitsEveryStretchOfTheAudioOnceAnEpoch) {
  // 6000 and 4000 frames in 100 samples: each stretch of 100 frames of the joined tracks has one.
  const Sampler sampler =
      Make({6000, 4000}, {.segment_frames = 1, .batch_size = 10, .samples_per_epoch = 100});
  std::set<std::vector<std::int64_t>> orders;
  std::set<std::int64_t> places;  // in the stretch
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < 100; ++i) {
      const ReadPlan::Piece piece = sampler.Draw(epoch, i);
      const std::int64_t point = piece.start_frame + (piece.track == 1 ? 6000 : 0);
      order.push_back(point / 100);
      places.insert(point % 100);
    }
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), 100u);
    EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 3u);   // another one each epoch
  EXPECT_GT(places.size(), 80u);  // of 100; 300 draws reach 95
}

TEST(Sampler, DrawsStartsEvenlyOverATrack) {
  const Sampler sampler =
      Make({1000}, {.segment_frames = 600, .batch_size = 1, .samples_per_epoch = 50});
  std::vector<int> histogram(4);
  for (std::uint64_t epoch = 0; epoch < 200; ++epoch) {
    for (std::int64_t i = 0; i < 50; ++i) {
      const ReadPlan::Piece piece = sampler.Draw(epoch, i);
      ASSERT_GE(piece.start_frame, 0);
      ASSERT_LE(piece.start_frame, 400);
      ++histogram[std::min<std::int64_t>(3, piece.start_frame / 100)];
    }
  }
  for (const int count : histogram) EXPECT_NEAR(count, 2500, 150);
}

TEST(Sampler, IsAFunctionOfSeedEpochAndIndex) {
  SamplerOptions options{
      .segment_frames = 100, .batch_size = 4, .samples_per_epoch = 40, .seed = 7};
  const Sampler a = Make({100000}, options), b = Make({100000}, options);
  options.seed = 8;
  const Sampler other = Make({100000}, options);
  int same_seed = 0, same_epoch = 0;
  for (std::int64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(a.Draw(3, i), b.Draw(3, i));
    EXPECT_EQ(a.AugmentStream(3, i).Bits(), b.AugmentStream(3, i).Bits());
    same_seed += a.Draw(3, i) == other.Draw(3, i);
    same_epoch += a.Draw(3, i) == a.Draw(4, i);
    EXPECT_NE(a.AugmentStream(3, i).Bits(), other.AugmentStream(3, i).Bits());
    EXPECT_NE(a.AugmentStream(3, i).Bits(), a.AugmentStream(4, i).Bits());
    EXPECT_NE(a.AugmentStream(3, i).Bits(), a.AugmentStream(3, (i + 1) % 40).Bits());
  }
  EXPECT_LT(same_seed, 3);
  EXPECT_LT(same_epoch, 3);
}

TEST(Sampler, KeepsItsStreamFromVersionToVersion) {
  // By tests/datasets/loader/sampler_golden.py, which states the stream a second time.
  const std::vector<ReadPlan::Piece> pieces = {{0, 1227}, {0, 2081}, {1, 459},  {0, 3584},
                                               {0, 412},  {0, 1770}, {0, 2398}, {0, 4003}};
  const std::vector<std::uint64_t> bits = {434405171096675527u, 13973835009401003965u,
                                           12594349200757434606u};
  const Sampler sampler =
      Make({5000, 900, 150},
           {.segment_frames = 400, .batch_size = 4, .samples_per_epoch = 24, .seed = 5});
  for (std::int64_t i = 0; i < 8; ++i) EXPECT_EQ(sampler.Draw(1, i), pieces[i]);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(sampler.AugmentStream(1, i).Bits(), bits[i]);
}

TEST(Sampler, DrawsLaterAttemptsFromAnywhereAndEachAnew) {
  const Sampler sampler =
      Make({6000, 4000}, {.segment_frames = 1, .batch_size = 10, .samples_per_epoch = 10});
  std::vector<int> histogram(10);
  std::set<std::int64_t> points;
  for (std::uint64_t attempt = 1; attempt <= 1000; ++attempt) {
    const ReadPlan::Piece piece = sampler.Draw(0, 3, attempt);
    EXPECT_EQ(piece, sampler.Draw(0, 3, attempt));
    EXPECT_NE(sampler.AugmentStream(0, 3, attempt).Bits(),
              sampler.AugmentStream(0, 3, attempt - 1).Bits());
    const std::int64_t point = piece.start_frame + (piece.track == 1 ? 6000 : 0);
    points.insert(point);
    ++histogram[point / 1000];
  }
  EXPECT_GT(points.size(), 900u);  // 952 of 10000 are expected
  for (const int count : histogram) EXPECT_NEAR(count, 100, 45);
}

TEST(Sampler, GivesEachKindItsTurn) {
  const Sampler sampler =
      Make({6000}, {.segment_frames = 1, .batch_size = 10, .samples_per_epoch = 100});
  std::vector<std::vector<std::int64_t>> orders;
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<int> turns(3);
    orders.emplace_back();
    for (std::int64_t i = 0; i < 100; ++i) {
      orders.back().push_back(sampler.Turn(epoch, i, 3));
      ++turns.at(orders.back().back());
    }
    EXPECT_THAT(turns, ::testing::ElementsAre(34, 33, 33));
  }
  EXPECT_NE(orders[0], orders[1]);
}

TEST(Sampler, CopesWithMoreSamplesThanFrames) {
  const Sampler sampler =
      Make({10}, {.segment_frames = 10, .batch_size = 1, .samples_per_epoch = 100});
  for (std::int64_t i = 0; i < 100; ++i)
    EXPECT_EQ(sampler.Draw(0, i), (ReadPlan::Piece{.track = 0, .start_frame = 0}));
}

TEST(Sampler, StartsOnTheGridAndReadsTheContextBefore) {
  // The first track has begun its 126th step, the second is shorter than a segment.
  const SamplerOptions options{.segment_frames = 400,
                               .grid_frames = 40,
                               .context_frames = 25,
                               .batch_size = 8,
                               .samples_per_epoch = 800};
  const Sampler sampler = Make({5001, 120}, options);
  std::set<std::int64_t> starts[2];
  for (std::int64_t i = 0; i < sampler.samples_per_epoch(); ++i) {
    for (const std::uint64_t attempt : {0, 1}) {
      const ReadPlan::Piece piece = sampler.Draw(0, i, attempt);
      const std::int64_t segment = piece.start_frame + 25;
      EXPECT_EQ(segment % 40, 0);
      starts[piece.track].insert(segment);
    }
  }
  EXPECT_EQ(*starts[0].begin(), 0);
  EXPECT_EQ(*starts[0].rbegin(), 126 * 40 - 400);
  EXPECT_EQ(starts[0].size(), 117u) << "every place of the grid";
  EXPECT_EQ(*starts[1].begin(), 120 - 400);
  EXPECT_LE(*starts[1].rbegin(), 0);
}

TEST(Sampler, CountsStepsOfTheGridForAnEpoch) {
  const SamplerOptions options{.segment_frames = 400, .grid_frames = 40, .batch_size = 1};
  EXPECT_EQ(Make({4001, 3999}, options).samples_per_epoch(), 201 / 10);
}

}  // namespace
}  // namespace stemsmith
