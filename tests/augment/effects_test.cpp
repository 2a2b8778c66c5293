// What each augmentation does to stems and plans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "augment/augment.h"
#include "core/error.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

constexpr int kStems = 4, kRate = 1000;

AugmentChain Chain(const std::string& item) {
  const Config config = Config::Parse("augment: [{" + item + "}]", "test.yaml");
  AugmentChain chain(config.List("augment"));
  config.CheckAllRead();
  return chain;
}

// Stem s, channel c holds the constant s + 1 + c / 10.
struct Constants {
  explicit Constants(int channels = 2, std::int64_t frames = 8)
      : samples(static_cast<std::size_t>(kStems * channels * frames)),
        block{.data = samples.data(),
              .stems = kStems,
              .channels = channels,
              .frames = frames,
              .sample_rate_hz = kRate} {
    for (int s = 0; s < kStems; ++s)
      for (int c = 0; c < channels; ++c) std::fill_n(block.channel(s, c), frames, Value(s, c));
  }
  static float Value(int s, int c) {
    return static_cast<float>(s + 1) + static_cast<float>(c) / 10;
  }

  std::vector<float> samples;
  StemBlock block;
};

ReadPlan PlanAt(std::size_t track, std::int64_t start, std::int64_t frames = 100) {
  return {.stems = std::vector<ReadPlan::Piece>(kStems, {.track = track, .start_frame = start}),
          .frames = frames};
}

TEST(Gain, ScalesEachStemByAGainOfItsOwnWithinTheRange) {
  const AugmentChain chain = Chain("name: gain, range_db: [-12, 3]");
  double lowest = 100, highest = -100;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Constants audio;
    chain.Apply(audio.block, RandomStream({seed}));
    std::set<float> gains;
    for (int s = 0; s < kStems; ++s) {
      const float gain = audio.block.channel(s, 0)[0] / Constants::Value(s, 0);
      gains.insert(gain);
      // The same for all samples of the stem.
      for (int c = 0; c < 2; ++c)
        for (int t = 0; t < 8; ++t)
          ASSERT_FLOAT_EQ(audio.block.channel(s, c)[t], Constants::Value(s, c) * gain);
      const double gain_db = 20 * std::log10(gain);
      ASSERT_GE(gain_db, -12.0001);
      ASSERT_LE(gain_db, 3.0001);
      lowest = std::min(lowest, gain_db);
      highest = std::max(highest, gain_db);
    }
    EXPECT_EQ(gains.size(), kStems);
  }
  EXPECT_LT(lowest, -11.5);
  EXPECT_GT(highest, 2.5);
}

TEST(Gain, OfOneValueIsThatGain) {
  Constants audio;
  Chain("name: gain, range_db: [-6.0206, -6.0206]").Apply(audio.block, RandomStream({1}));
  EXPECT_NEAR(audio.block.channel(2, 1)[3], Constants::Value(2, 1) / 2, 1e-5);
}

TEST(Gain, RefusesRangesThatAreNone) {
  for (const char* range : {"[3, -3]", "[1]", "[1, 2, 3]", "[-1000, 0]", "[.nan, 0]", "[0, .nan]"})
    EXPECT_THROW(Chain(std::string("name: gain, range_db: ") + range), Error) << range;
}

TEST(ChannelSwap, SwapsLeftAndRightOfAllStemsAtOne) {
  Constants audio;
  Chain("name: channel_swap, per_stem_probability: 1").Apply(audio.block, RandomStream({1}));
  for (int s = 0; s < kStems; ++s)
    for (int c = 0; c < 2; ++c)
      for (int t = 0; t < 8; ++t)
        EXPECT_EQ(audio.block.channel(s, c)[t], Constants::Value(s, 1 - c));
}

TEST(ChannelSwap, DecidesForEachStem) {
  const AugmentChain chain = Chain("name: channel_swap");
  int swapped = 0, together = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Constants audio;
    chain.Apply(audio.block, RandomStream({seed}));
    int here = 0;
    for (int s = 0; s < kStems; ++s) here += audio.block.channel(s, 0)[0] != Constants::Value(s, 0);
    swapped += here;
    together += here == 0 || here == kStems;
  }
  EXPECT_NEAR(swapped, 400, 60);  // half of 800, four standard deviations
  EXPECT_NEAR(together, 25, 20);  // an eighth of 200
}

TEST(ChannelSwap, LeavesMonoAlone) {
  Constants audio(1);
  const std::vector<float> before = audio.samples;
  Chain("name: channel_swap, per_stem_probability: 1").Apply(audio.block, RandomStream({1}));
  EXPECT_EQ(audio.samples, before);
}

TEST(Polarity, NegatesStems) {
  Constants audio;
  Chain("name: polarity, per_stem_probability: 1").Apply(audio.block, RandomStream({1}));
  for (int s = 0; s < kStems; ++s)
    for (int c = 0; c < 2; ++c)
      for (int t = 0; t < 8; ++t) EXPECT_EQ(audio.block.channel(s, c)[t], -Constants::Value(s, c));
}

TEST(Polarity, TurnsWholeStemsHalfOfTheTime) {
  const AugmentChain chain = Chain("name: polarity");
  int turned = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Constants audio;
    chain.Apply(audio.block, RandomStream({seed}));
    for (int s = 0; s < kStems; ++s) {
      const bool negative = audio.block.channel(s, 0)[0] < 0;
      turned += negative;
      for (int c = 0; c < 2; ++c)
        for (int t = 0; t < 8; ++t) ASSERT_EQ(audio.block.channel(s, c)[t] < 0, negative);
    }
  }
  EXPECT_NEAR(turned, 400, 60);
}

TEST(Shift, MovesEachStemWithinReachAndInsideTheTrack) {
  const TrackTable tracks({100000}, kRate);
  const AugmentChain chain = Chain("name: shift, max_seconds: 0.5");  // 500 frames
  std::int64_t lowest = 0, highest = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    ReadPlan plan = PlanAt(0, 50000);
    chain.Plan(plan, tracks, RandomStream({seed}));
    std::set<std::int64_t> starts;
    for (const ReadPlan::Piece& piece : plan.stems) {
      const std::int64_t moved = piece.start_frame - 50000;
      ASSERT_LE(std::abs(moved), 500);
      lowest = std::min(lowest, moved);
      highest = std::max(highest, moved);
      starts.insert(moved);
    }
    EXPECT_GT(starts.size(), 1u);
  }
  EXPECT_LT(lowest, -480);
  EXPECT_GT(highest, 480);
}

TEST(Shift, BringsInAudioAtTheEndsOfATrack) {
  const TrackTable tracks({1000, 60}, kRate);
  const AugmentChain chain = Chain("name: shift, max_seconds: 5");
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (const std::int64_t start : {0, 900}) {
      ReadPlan plan = PlanAt(0, start);
      chain.Plan(plan, tracks, RandomStream({seed}));
      for (const ReadPlan::Piece& piece : plan.stems) {
        ASSERT_GE(piece.start_frame, 0);
        ASSERT_LE(piece.start_frame, 900);
      }
    }
    // A track of 60 frames in a segment of 100 moves about, and stays whole.
    ReadPlan plan = PlanAt(1, 0);
    chain.Plan(plan, tracks, RandomStream({seed}));
    for (const ReadPlan::Piece& piece : plan.stems) {
      ASSERT_GE(piece.start_frame, -40);
      ASSERT_LE(piece.start_frame, 0);
    }
  }
}

TEST(Remix, TakesStemsFromAllTracksByTheirLength) {
  const TrackTable tracks({1000, 0, 3000}, kRate);
  const AugmentChain chain = Chain("name: remix");
  int from_last = 0, mixed = 0;
  std::int64_t furthest = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    ReadPlan plan = PlanAt(0, 0);
    chain.Plan(plan, tracks, RandomStream({seed}));
    std::set<std::size_t> used;
    for (const ReadPlan::Piece& piece : plan.stems) {
      ASSERT_NE(piece.track, 1u);  // holds no audio
      used.insert(piece.track);
      from_last += piece.track == 2;
      furthest = std::max(furthest, piece.start_frame);
      ASSERT_LE(piece.start_frame + plan.frames, tracks.frames(piece.track));
    }
    mixed += used.size() == 2;
  }
  EXPECT_NEAR(from_last, 1500, 80);  // three quarters of 2000
  EXPECT_GT(mixed, 250);
  EXPECT_GT(furthest, 2800);
}

TEST(Remix, LeavesAShareOfTheStemsInPlace) {
  const TrackTable tracks({1000, 1000000}, kRate);
  const AugmentChain chain = Chain("name: remix, per_stem_probability: 0.25");
  int moved = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    ReadPlan plan = PlanAt(0, 777);
    chain.Plan(plan, tracks, RandomStream({seed}));
    for (const ReadPlan::Piece& piece : plan.stems)
      moved += piece != ReadPlan::Piece{.track = 0, .start_frame = 777};
  }
  EXPECT_NEAR(moved, 500, 80);
}

// A chance per stem by its name, in all that plans stem by stem; the others have the default.
TEST(Remix, HasAChanceOfItsOwnForAStemNamed) {
  const TrackTable tracks({1000, 1000000}, kRate, {"drums", "bass", "other", "vocals"});
  const auto moved = [&](const std::string& item) {
    std::vector<int> count(4);
    const AugmentChain chain = Chain(item);
    chain.CheckStems(tracks.stems());
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
      ReadPlan plan = PlanAt(0, 777);
      chain.Plan(plan, tracks, RandomStream({seed}));
      for (std::size_t s = 0; s < 4; ++s)
        count[s] += plan.stems[s] != ReadPlan::Piece{.track = 0, .start_frame = 777};
      for (const ReadPlan::Extra& extra : plan.extras) ++count[extra.stem];
    }
    return count;
  };
  using ::testing::AllOf;
  using ::testing::ElementsAre;
  const auto half = AllOf(::testing::Gt(200), ::testing::Lt(300));
  EXPECT_THAT(moved("name: remix, per_stem_probability: {vocals: 0, drums: 0.5}"),
              ElementsAre(half, 500, 500, 0));
  EXPECT_THAT(moved("name: mixup, per_stem_probability: {bass: 1, vocals: 0}"),
              ElementsAre(half, 500, half, 0));
}

TEST(Remix, SaysWhichStemIsNotThere) {
  const AugmentChain chain = Chain("name: remix, per_stem_probability: {vocal: 0}");
  EXPECT_THAT(
      testing::MessageOf([&] {
        chain.CheckStems({"drums", "vocals"});
      }),
      ::testing::AllOf(::testing::HasSubstr("\"vocal\""), ::testing::HasSubstr("drums, vocals")));
}

TEST(TrackTable, ReachesEveryStartAndKeepsSegmentsInside) {
  const TrackTable tracks({10, 4, 0, 7}, kRate);
  EXPECT_EQ(tracks.total_frames(), 21);
  EXPECT_EQ(tracks.longest_frames(), 10);
  std::vector<std::set<std::int64_t>> starts(4);
  for (std::int64_t point = 0; point < 21; ++point) {
    const ReadPlan::Piece piece = tracks.At(point, 5);
    starts[piece.track].insert(piece.start_frame);
  }
  EXPECT_THAT(starts[0], ::testing::ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(starts[1], ::testing::ElementsAre(-1, 0));  // shorter than the segment
  EXPECT_TRUE(starts[2].empty());
  EXPECT_THAT(starts[3], ::testing::ElementsAre(0, 1, 2));
}

TEST(TrackTable, CopesWithWeeksOfAudio) {
  const std::int64_t week = std::int64_t{44100} * 3600 * 24 * 7;
  const TrackTable tracks({week, week}, 44100);
  const ReadPlan::Piece last = tracks.At(2 * week - 1, 264600);
  EXPECT_EQ(last.track, 1u);
  EXPECT_EQ(last.start_frame, week - 264600);
}

}  // namespace
}  // namespace stemsmith
