#include "train/schedule.h"

#include <gmock/gmock.h>

#include <cmath>

#include "core/error.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith::testing::schedule_test {
namespace {

using ::testing::HasSubstr;
struct Crash {};

LearningRate MakeRate(const std::string& yaml, double base, std::int64_t total = 100,
                      std::int64_t epoch = 10) {
  const Config config = Config::Parse(yaml, "test");
  LearningRate rate(config, base);
  config.CheckAllRead();
  rate.UseRun(total, epoch);
  return rate;
}

std::string Refusal(const std::string& yaml) {
  return MessageOf([&] { MakeRate(yaml, 1.0); });
}

TEST(Schedule, WarmsUpThenFollowsTheCosine) {
  const LearningRate rate = MakeRate("{name: cosine, warmup_steps: 4, final_ratio: 0.1}", 2.0, 104);
  EXPECT_DOUBLE_EQ(rate.At(0), 0.5);
  EXPECT_DOUBLE_EQ(rate.At(3), 2.0);
  EXPECT_DOUBLE_EQ(rate.At(4), 2.0);
  EXPECT_NEAR(rate.At(54), 2.0 * 0.55, 1e-12);
  EXPECT_NEAR(rate.At(104), 0.2, 1e-12);
  EXPECT_NEAR(rate.At(1000), 0.2, 1e-12);
}

TEST(Schedule, ConstantStays) {
  const LearningRate rate = MakeRate("{}", 0.25);
  EXPECT_EQ(rate.At(0), 0.25);
  EXPECT_EQ(rate.At(9), 0.25);
}

TEST(Schedule, StepsDown) {
  const LearningRate steps = MakeRate("{name: step, every_steps: 7, factor: 0.5}", 8.0);
  EXPECT_DOUBLE_EQ(steps.At(6), 8.0);
  EXPECT_DOUBLE_EQ(steps.At(7), 4.0);
  EXPECT_DOUBLE_EQ(steps.At(21), 1.0);
  const LearningRate epochs = MakeRate("{name: step, every_epochs: 2, warmup_steps: 5}", 1.0);
  EXPECT_DOUBLE_EQ(epochs.At(0), 0.2);
  EXPECT_DOUBLE_EQ(epochs.At(19), 1.0);
  EXPECT_DOUBLE_EQ(epochs.At(20), 0.1);
  EXPECT_NEAR(epochs.At(99), 1e-4, 1e-12);
}

// The course that torch.optim.lr_scheduler.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=1,
// min_lr=0.2, threshold=0.01) gives SGD with lr=1.0 over these losses (torch 2.11).
TEST(Schedule, PlateauFollowsTorch) {
  LearningRate rate = MakeRate(
      "{name: plateau, factor: 0.5, patience: 1, cooldown: 1, threshold: 0.01, final_ratio: 0.2, "
      "warmup_steps: 2}",
      1.0);
  EXPECT_DOUBLE_EQ(rate.At(0), 0.5);
  const double losses[] = {1.0, 0.9, 0.895, 0.91, 0.9, 0.9, 0.9, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6};
  const double rates[] = {1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2};
  for (std::size_t i = 0; i < std::size(losses); ++i) {
    rate.Validated(losses[i]);
    EXPECT_DOUBLE_EQ(rate.At(50), rates[i]) << i;
  }
}

TEST(Schedule, PlateauGoesOnFromItsState) {
  const std::string yaml = "{name: plateau, factor: 0.5, patience: 2}";
  LearningRate whole = MakeRate(yaml, 1.0);
  LearningRate first = MakeRate(yaml, 1.0);
  EXPECT_EQ(first.State()["best"], nullptr);
  for (const double loss : {std::nan(""), 0.1 + 0.2, 0.4, 0.5}) {
    whole.Validated(loss);
    first.Validated(loss);
  }
  LearningRate second = MakeRate(yaml, 1.0);
  second.LoadState(nlohmann::json::parse(first.State().dump()), "test");
  for (const double loss : {0.30000000000000001, 0.6, 0.7, 0.8, 0.2}) {
    whole.Validated(loss);
    second.Validated(loss);
    EXPECT_EQ(whole.At(5), second.At(5));
    EXPECT_EQ(whole.State(), second.State());
  }
  EXPECT_LT(whole.At(5), 1.0);
  EXPECT_THROW(second.LoadState({{"factor", "x"}}, "test"), Error);
}

TEST(Schedule, WrongSettingsAreNamed) {
  EXPECT_THAT(Refusal("{name: platau}"), HasSubstr("'plateau'"));
  EXPECT_THAT(Refusal("{name: step}"), HasSubstr("every_epochs"));
  EXPECT_THAT(Refusal("{name: step, every_steps: 2, every_epochs: 2}"), HasSubstr("contradict"));
  EXPECT_THAT(Refusal("{name: cosine, factor: 0.5}"), HasSubstr("factor"));
}

class ScheduledTraining : public TrainingTest {
 protected:
  static std::vector<std::string> Settings() {
    // So high a threshold that no validation counts as better than the first.
    return {"schedule={name: plateau, patience: 0, factor: 0.5, threshold: 0.9}", "train.steps=10",
            "validate.every_steps=2", "checkpoint.every_steps=3"};
  }
  std::vector<double> Rates(const std::string& run) const {
    std::vector<double> rates;
    for (const auto& record : MetricsLog::Read(folder_ / run / "metrics.jsonl"))
      if (record["event"] == "train") rates.push_back(record["learning_rate"].get<double>());
    return rates;
  }
};

TEST_F(ScheduledTraining, PlateauLowersTheRateAndResumesExactly) {
  RunTraining("whole", Settings());
  const std::vector<double> rates = Rates("whole");
  EXPECT_EQ(rates, (std::vector<double>{5e-3, 5e-3, 5e-3, 5e-3, 2.5e-3, 2.5e-3, 1.25e-3, 1.25e-3,
                                        6.25e-4, 6.25e-4}));
  EXPECT_THROW(RunTraining("parts", Settings(), false,
                           [](std::int64_t step) {
                             if (step == 7) throw Crash();
                           }),
               Crash);
  RunTraining("parts", Settings(), true);
  EXPECT_EQ(Rates("parts"), rates);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

TEST_F(ScheduledTraining, PlateauNeedsValidation) {
  std::vector<std::string> settings = Settings();
  settings.push_back("validate.every_steps=0");
  EXPECT_THAT(MessageOf([&] { RunTraining("run", settings); }), HasSubstr("validate.every_steps"));
  settings.back() = "validate.split=nothing";
  EXPECT_THAT(MessageOf([&] { RunTraining("run", settings); }), HasSubstr("'nothing'"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(ScheduledTraining, StepsCountEpochs) {
  // 15 samples in batches of 4: three steps an epoch.
  RunTraining("run", {"schedule={name: step, every_epochs: 1}", "train.steps=6"});
  const std::vector<double> rates = Rates("run");
  EXPECT_DOUBLE_EQ(rates[2], 5e-3);
  EXPECT_DOUBLE_EQ(rates[3], 5e-4);
}

}  // namespace
}  // namespace stemsmith::testing::schedule_test
