#include "separate/averaged_song.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace stemsmith {
namespace {

using ::testing::ElementsAre;

std::vector<std::int64_t> Leads(const std::vector<Pass>& passes) {
  std::vector<std::int64_t> leads;
  for (const Pass& pass : passes) leads.push_back(pass.lead_frames);
  return leads;
}

TEST(Passes, AreAsManyAsWasAskedFor) {
  EXPECT_THAT(Leads(PassesOf({}, 8000, 2)), ElementsAre(0));
  // As demucs counts them: of half a second, so much less.
  EXPECT_THAT(Leads(PassesOf({.shift_frames = {0, 4000, 1}}, 8000, 2)), ElementsAre(4000, 0, 3999));
  const auto drawn = Leads(PassesOf({.shifts = 5, .seed = 3}, 8000, 2));
  EXPECT_EQ(drawn.size(), 5u);
  for (const std::int64_t lead : drawn) EXPECT_TRUE(lead >= 0 && lead <= 4000) << lead;
  EXPECT_EQ(drawn, Leads(PassesOf({.shifts = 5, .seed = 3}, 8000, 2)));
  EXPECT_NE(drawn, Leads(PassesOf({.shifts = 5, .seed = 4}, 8000, 2)));
  EXPECT_EQ(PassesOf({.shifts = 2, .turned = true}, 8000, 2).size(), 6u);
  EXPECT_EQ(PassesOf({.turned = true}, 8000, 1).size(), 2u);  // no channels to swap
  EXPECT_THROW(PassesOf({.shift_frames = {4001}}, 8000, 2), Error);
}

// A song whose only stem is what it is given: a count, and the channel's number.
class Count : public SongSeparator {
 public:
  explicit Count(float first, std::size_t piece) : next_(first), piece_(piece) {
    info_.channels = 2;
    info_.sample_rate_hz = 8000;
  }
  const AudioInfo& info() const override { return info_; }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return {}; }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const std::size_t count = std::min({frames, piece_, left_});
    left_ -= count;
    blocks.assign(1, {});
    for (std::size_t t = 0; t < count; ++t, ++next_) {
      blocks[0].push_back(next_);
      blocks[0].push_back(1000 + next_);
    }
    return count;
  }

 private:
  AudioInfo info_;
  std::vector<std::string> stems_ = {"stem"};
  float next_;
  std::size_t piece_, left_ = 50;
};

TEST(Passes, ResultsAreTurnedBackAndAveraged) {
  std::vector<std::unique_ptr<SongSeparator>> songs;
  songs.push_back(std::make_unique<Count>(0.0f, 7));
  songs.push_back(std::make_unique<Count>(10.0f, 3));
  songs.push_back(std::make_unique<Count>(-60.0f, 11));
  const auto song = AverageSongs(std::move(songs), {{}, {.swapped = true}, {.negated = true}});
  const AudioBuffer stem = ReadAllStems(*song).at(0);
  ASSERT_EQ(stem.frames(), 50u);
  for (std::size_t t = 0; t < 50; ++t) {
    const float n = static_cast<float>(t);
    EXPECT_NEAR(stem.channel(0)[t], (n + (1010 + n) - (n - 60)) / 3, 1e-3);
    EXPECT_NEAR(stem.channel(1)[t], ((1000 + n) + (10 + n) - (940 + n)) / 3, 1e-3);
  }
}

}  // namespace
}  // namespace stemsmith
