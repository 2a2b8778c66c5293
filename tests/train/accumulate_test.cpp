#include <gmock/gmock.h>

#include <cmath>
#include <stdexcept>

#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith::testing::accumulate {
namespace {

using ::testing::HasSubstr;
using Accumulate = TrainingTest;

// Without batch statistics, and with an eps that keeps Adam from blowing the gradients' rounding up
// where they are next to nothing.
const std::vector<std::string> kSettings = {
    "model={name: demucs, channels: 4, depth: 2, norm_starts: 1, norm_groups: 2, dconv_attn: 9, "
    "dconv_lstm: 9, dconv_comp: 2}",
    "dataset.samples_per_epoch=22", "optimizer.eps=1e-3", "train.steps=9", "ema.batch=[0.5]"};

std::vector<std::string> With(std::vector<std::string> more) {
  more.insert(more.begin(), kSettings.begin(), kSettings.end());
  return more;
}

TEST_F(Accumulate, GivesLossesAndWeightsOfOneLargeBatch) {
  RunTraining("whole", With({"train.batch_size=4"}));
  RunTraining("parts", With({"train.batch_size=2", "train.accumulate=2"}));
  for (const char* event : {"train", "validation"}) {
    const std::vector<double> whole = Losses("whole", event), parts = Losses("parts", event);
    ASSERT_EQ(whole.size(), parts.size());
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(whole[i], parts[i], 1e-5) << i;
  }
  const Checkpoint whole = LoadCheckpoint(CheckpointPath("whole", "last"));
  const Checkpoint parts = LoadCheckpoint(CheckpointPath("parts", "last"));
  for (std::size_t i = 0; i < whole.weights.size(); ++i) {
    const double difference =
        (whole.weights[i].second - parts.weights[i].second).abs().max().item<double>();
    EXPECT_LT(difference, 1e-5) << whole.weights[i].first;
  }
}

TEST_F(Accumulate, CountsStepsSamplesAndEpochs) {
  // 22 samples are five steps of 4; an epoch never ends within a step.
  RunTraining("run", With({"train.batch_size=2", "train.accumulate=2"}));
  const auto state = LoadCheckpoint(CheckpointPath("run", "last")).training_state;
  EXPECT_EQ(state["step"], 9);
  EXPECT_EQ(state["loader"]["epoch"], 1);
  EXPECT_EQ(state["loader"]["batch"], 8);
  EXPECT_EQ(RunTraining("epochs", With({"train.steps=0", "train.epochs=2", "train.batch_size=2",
                                        "train.accumulate=2"}))
                .step,
            10);
}

TEST_F(Accumulate, ResumesInMidEpochWithTheSameBits) {
  const std::vector<std::string> settings =
      With({"train.batch_size=2", "train.accumulate=3", "checkpoint.every_steps=2"});
  RunTraining("whole", settings);
  EXPECT_THROW(RunTraining("parts", settings, false,
                           [](std::int64_t step) {
                             if (step == 5) throw std::runtime_error("crash");
                           }),
               std::runtime_error);
  RunTraining("parts", settings, true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
  EXPECT_EQ(Losses("whole", "train"), Losses("parts", "train"));
}

TEST_F(Accumulate, RefusesMoreThanTheDatasetHolds) {
  EXPECT_THAT(MessageOf([&] { RunTraining("run", With({"train.accumulate=8"})); }),
              HasSubstr("train.batch_size · train.accumulate (4 · 8) is larger"));
  EXPECT_THAT(MessageOf([&] { RunTraining("run", With({"train.accumulate=0"})); }),
              HasSubstr("accumulate"));
}

}  // namespace
}  // namespace stemsmith::testing::accumulate
