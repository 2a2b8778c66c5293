// Steps whose loss is of no use.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"
#include "train/loss_watch.h"
#include "train/trainer.h"

namespace stemsmith::recover_test {

using ::testing::HasSubstr;
using testing::MessageOf;

TEST(LossWatch, KnowsWhatIsNoNumber) {
  EXPECT_EQ(WrongWith(1.0, 1.0, {}, 50), "");
  EXPECT_THAT(WrongWith(std::nan(""), 1.0, {}, 0), HasSubstr("the loss"));
  EXPECT_THAT(WrongWith(1.0, std::numeric_limits<double>::infinity(), {}, 0),
              HasSubstr("a gradient"));
}

TEST(LossWatch, KnowsExplosions) {
  std::vector<double> recent;
  for (int i = 0; i < 19; ++i) RememberLoss(0.1 + 0.001 * i, recent);
  EXPECT_EQ(WrongWith(1e9, 1.0, recent, 10), "") << "too few losses to judge by";
  RememberLoss(0.1, recent);
  EXPECT_EQ(WrongWith(1.0, 1.0, recent, 10), "") << "the median is above 0.1";
  EXPECT_THAT(WrongWith(1.2, 1.0, recent, 10), HasSubstr("explodes"));
  EXPECT_EQ(WrongWith(1.2, 1.0, recent, 0), "") << "switched off";
  // Losses below zero, as those in dB are.
  for (double& loss : recent) loss = -loss;
  EXPECT_EQ(WrongWith(0.5, 1.0, recent, 10), "");
  EXPECT_THAT(WrongWith(1.2, 1.0, recent, 10), HasSubstr("explodes"));
}

TEST(LossWatch, ForgetsOldLosses) {
  std::vector<double> recent;
  for (int i = 0; i < 150; ++i) RememberLoss(i, recent);
  EXPECT_EQ(recent.size(), kLossWindow);
  EXPECT_EQ(recent.front(), 50.0);
  EXPECT_EQ(recent.back(), 149.0);
}

TEST(OutOfMemory, NamesTheSettingsThatHelp) {
  const Error error = OutOfDeviceMemory("run");
  for (const char* setting : {"train.batch_size", "train.accumulate", "dataset.segment_seconds"})
    EXPECT_THAT(error.what(), HasSubstr(setting));
}

struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};

class Recover : public testing::TrainingTest {
 protected:
  // Three songs and a fourth whose samples are so large that their squares are not finite.
  void MakeCacheWithABadSong(double gain = 1e30) {
    TrackFormat format;
    format.stems = {"low", "high"};
    format.sample_rate_hz = testing::kRate;
    format.channels = 1;
    format.sample_type = CacheSampleType::kFloat32;
    CacheBuilder builder(folder_ / "cache.h5", format);
    const std::int64_t frames = testing::kRate / 2;
    for (int i = 0; i < 3; ++i)
      builder.AddTrack("good" + std::to_string(i), "train", testing::TwoStems(frames, 1 + i));
    builder.AddTrack("bad", "train", testing::TwoStems(frames, 4, gain));
    builder.AddTrack("valid", "valid", testing::TwoStems(frames, 100));
    builder.Finish();
  }
  static std::vector<std::string> Settings(const std::vector<std::string>& more = {}) {
    std::vector<std::string> settings = {"augment=[]",
                                         "loss=[{name: mse}]",
                                         "train.batch_size=1",
                                         "train.steps=30",
                                         "train.seed=3",
                                         "validate.every_steps=10",
                                         "schedule.name=constant",
                                         "checkpoint.every_steps=3",
                                         "train.max_bad_batches=1000",
                                         "ema.batch=[0.9]"};
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
  }
  // The records of batches that were left out, in order.
  std::vector<nlohmann::json> BadBatches(const std::string& run) const {
    std::vector<nlohmann::json> found;
    for (const auto& record : MetricsLog::Read(folder_ / run / "metrics.jsonl"))
      if (record["event"] == "bad_batch") found.push_back(record);
    return found;
  }
};

TEST_F(Recover, LeavesBatchesWithoutAUsableLossOut) {
  MakeCacheWithABadSong();
  const TrainResult result = RunTraining("run", Settings());
  EXPECT_EQ(result.step, 30);
  const auto records = BadBatches("run");
  ASSERT_FALSE(records.empty());
  bool rolled_back = false;
  for (const auto& record : records) {
    EXPECT_EQ(record["tracks"], nlohmann::json({"bad"}));
    EXPECT_TRUE(record["loss"].is_null());
    rolled_back |= record["rolled_back_to"].is_number();
  }
  EXPECT_TRUE(rolled_back) << "choose a seed that draws the song twice in a row";
  const std::vector<double> losses = Losses("run", "train");
  EXPECT_EQ(losses.size(), 30u);
  for (const double loss : losses) EXPECT_LT(loss, 1.0);
  for (const auto& [name, tensor] : LoadCheckpoint(CheckpointPath("run", "last")).weights)
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
}

TEST_F(Recover, ResumesWithTheSameBits) {
  MakeCacheWithABadSong();
  RunTraining("whole", Settings());
  int crashes = 0;
  for (const std::int64_t step : {4, 8, 13, 14, 20, 27}) {
    try {
      RunTraining("parts", Settings(), crashes > 0, [step](std::int64_t done) {
        if (done == step) throw Crash();
      });
    } catch (const Crash&) {
      ++crashes;
    }
  }
  EXPECT_GE(crashes, 5);
  RunTraining("parts", Settings(), true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
  ExpectSameCheckpoint(CheckpointPath("whole", "best"), CheckpointPath("parts", "best"));
  EXPECT_EQ(Losses("whole", "train"), Losses("parts", "train"));
  EXPECT_EQ(BadBatches("whole"), BadBatches("parts"));
}

TEST_F(Recover, LeavesExplodingLossesOut) {
  MakeCacheWithABadSong(1e4);
  RunTraining("run",
              Settings({"loss=[{name: l1}]", "train.steps=60", "train.explosion_factor=100"}));
  const auto records = BadBatches("run");
  ASSERT_FALSE(records.empty());
  for (const auto& record : records) {
    EXPECT_THAT(record["problem"].get<std::string>(), HasSubstr("explodes"));
    EXPECT_GT(record["loss"].get<double>(), 100.0);
    EXPECT_EQ(record["tracks"], nlohmann::json({"bad"}));
  }
}

TEST_F(Recover, StopsAfterSoMany) {
  testing::MakeCache(folder_ / "cache.h5", 1, /*gain=*/1e30);
  const std::string message =
      MessageOf([&] { RunTraining("run", Settings({"train.max_bad_batches=2"})); });
  EXPECT_THAT(message, HasSubstr("step 1"));
  EXPECT_THAT(message, HasSubstr("2 batches before were left out (train.max_bad_batches)"));
  EXPECT_EQ(BadBatches("run").size(), 3u);
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("run", "last")).training_state["step"], 0);
}

TEST_F(Recover, NoneAllowedStopsAtOnce) {
  testing::MakeCache(folder_ / "cache.h5", 1, /*gain=*/1e30);
  const std::string message =
      MessageOf([&] { RunTraining("run", Settings({"train.max_bad_batches=0"})); });
  EXPECT_THAT(message, HasSubstr("songs train0"));
  EXPECT_EQ(BadBatches("run").size(), 1u);
}

TEST_F(Recover, RefusesSenselessFactors) {
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"train.explosion_factor=0.5"}); }),
              HasSubstr("explosion_factor"));
}

}  // namespace stemsmith::recover_test
