#include "train/precision.h"

#include <gmock/gmock.h>

#include <limits>
#include <stdexcept>

#include "tests/models/faulty_convolutions.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"
#include "train/grad_scaler.h"

namespace stemsmith::testing::precision {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kInf = std::numeric_limits<double>::infinity();

NamedTensors Parameters(const std::vector<double>& gradients) {
  NamedTensors parameters;
  for (const double gradient : gradients) {
    torch::Tensor parameter = torch::zeros({3}, torch::requires_grad());
    parameter.mutable_grad() = torch::full({3}, gradient);
    parameters.emplace_back(std::to_string(parameters.size()), parameter);
  }
  return parameters;
}

TEST(GradScaler, DividesWhatTheLossWasMultipliedWith) {
  const GradScaler scaler;
  torch::Tensor weight = torch::full({4}, 0.3, torch::requires_grad());
  const torch::Tensor loss = (weight * weight).sum();
  loss.backward({}, /*retain_graph=*/true);
  const torch::Tensor plain = weight.grad().clone();
  weight.mutable_grad().reset();
  scaler.Scale(loss).backward();
  EXPECT_TRUE(torch::equal(weight.grad(), plain * scaler.scale()));
  EXPECT_TRUE(scaler.Unscale({{"weight", weight}, {"idle", torch::zeros({1})}}));
  EXPECT_TRUE(torch::equal(weight.grad(), plain)) << "a power of two rounds nothing";
}

TEST(GradScaler, HalvesWhereItOverflowsAndGrowsAgain) {
  GradScaler scaler;
  EXPECT_FALSE(scaler.Unscale(Parameters({1.0, kInf})));
  EXPECT_FALSE(scaler.Unscale(Parameters({std::nan(""), 1.0})));
  EXPECT_TRUE(scaler.Update(false));
  EXPECT_EQ(scaler.scale(), GradScaler::kFirstScale / 2);
  for (std::int64_t i = 1; i < GradScaler::kStepsToGrow; ++i) scaler.Update(true);
  EXPECT_EQ(scaler.scale(), GradScaler::kFirstScale / 2);
  scaler.Update(true);
  EXPECT_EQ(scaler.scale(), GradScaler::kFirstScale);
  EXPECT_EQ(scaler.left_out(), 1);
}

TEST(GradScaler, SaysWhenNoFactorHelps) {
  GradScaler scaler;
  while (scaler.scale() > GradScaler::kLowestScale) EXPECT_TRUE(scaler.Update(false));
  EXPECT_FALSE(scaler.Update(false));
}

TEST(GradScaler, GoesOnFromItsState) {
  GradScaler scaler, other;
  scaler.Update(false);
  for (int i = 0; i < 5; ++i) scaler.Update(true);
  other.Load(nlohmann::json::parse(scaler.State().dump()));
  for (std::int64_t i = 5; i < GradScaler::kStepsToGrow; ++i) {
    scaler.Update(true);
    other.Update(true);
  }
  EXPECT_EQ(other.State(), scaler.State());
  EXPECT_EQ(other.scale(), GradScaler::kFirstScale);
  EXPECT_THROW(other.Load({{"scale", 1}}), Error);
}

TEST(Precision, IsRefusedWithAReasonWhereItLoses) {
  EXPECT_EQ(CpuPrecisionProblem("float32", false), "");
  EXPECT_EQ(CpuPrecisionProblem("bfloat16", true), "");
  EXPECT_THAT(CpuPrecisionProblem("bfloat16", false), HasSubstr("avx512_bf16"));
  EXPECT_THAT(CpuPrecisionProblem("float16", true), HasSubstr("GPU"));
  EXPECT_EQ(GpuPrecisionProblem("bfloat16", 80), "");
  EXPECT_EQ(GpuPrecisionProblem("float16", 75), "");
  EXPECT_THAT(GpuPrecisionProblem("bfloat16", 75), HasSubstr("7.5"));
  EXPECT_THAT(GpuPrecisionProblem("float16", 61), HasSubstr("7.0"));
}

class PrecisionTraining : public TrainingTest {
 protected:
  // As RunTraining, on a processor that need not gain by it.
  TrainResult RunAnywhere(const std::string& run, const std::vector<std::string>& settings,
                          bool resume = false,
                          std::function<void(std::int64_t)> after_step = nullptr) {
    any_precision_ = true;
    return RunTraining(run, settings, resume, std::move(after_step));
  }
  // What the run "half" says.
  std::string SaidInBfloat16() {
    if (!std::filesystem::exists(folder_ / "cache.h5")) MakeCache(folder_ / "cache.h5");
    WriteFile(folder_ / "half.yaml", ConfigText(folder_ / "cache.h5"));
    any_precision_ = true;
    TrainRequest request = Request("half");
    heard_.Take();
    Train(Config::Load(folder_ / "half.yaml", {"train.precision=bfloat16"}), request);
    return heard_.Take();
  }
};

TEST_F(PrecisionTraining, IsRefusedWithLineAndAdvice) {
  const std::string message = MessageOf([&] { RunTraining("run", {"train.precision=float16"}); });
  EXPECT_THAT(message, HasSubstr("float16 needs a GPU"));
  EXPECT_THAT(message, HasSubstr("float32"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"train.precision=float8"}); }),
              HasSubstr("bfloat16"));
}

TEST_F(PrecisionTraining, LearnsAboutAsWellInBfloat16) {
  RunTraining("full", {});
  RunAnywhere("half", {"train.precision=bfloat16"});
  const auto full = Losses("full", "train"), half = Losses("half", "train");
  ASSERT_EQ(full.size(), half.size());
  EXPECT_NE(full, half) << "nothing was cast";
  // Eight binary places, and 12 steps to drift apart in.
  for (std::size_t i = 0; i < full.size(); ++i) EXPECT_NEAR(half[i], full[i], 0.1 * full[i]) << i;
  const auto a = Losses("full", "validation"), b = Losses("half", "validation");
  EXPECT_NEAR(a.back(), b.back(), 0.1 * a.back());
  for (const auto& [name, weight] : LoadCheckpoint(CheckpointPath("half", "last")).weights)
    EXPECT_NE(weight.scalar_type(), at::kBFloat16) << name;
}

// On a machine whose convolutions in bfloat16 are wrong, here those of some kinds.
TEST_F(PrecisionTraining, NamesConvolutionsThatRunInFloat32) {
  RunTraining("full", {});
  const FaultyConvolutions machine([](const PlainConvolution& call) {
    return call.input.scalar_type() == at::kBFloat16 && call.backward;
  });
  const std::string said = SaidInBfloat16();
  EXPECT_THAT(said, HasSubstr("in bfloat16 this machine computes 4 of the convolutions wrongly; "
                              "they run in float32: 1 to 4 channels, kernel 4x4, stride 2x2"));
  EXPECT_THAT(said, HasSubstr("; 4 to 8 channels, "));
  const auto full = Losses("full", "train"), half = Losses("half", "train");
  for (std::size_t i = 0; i < full.size(); ++i) EXPECT_NEAR(half[i], full[i], 0.1 * full[i]) << i;
}

TEST_F(PrecisionTraining, SaysNothingWhereAllConvolutionsAreRight) {
  EXPECT_THAT(SaidInBfloat16(), Not(HasSubstr("convolutions")));
}

class PrecisionOfModel : public TrainingTest, public ::testing::WithParamInterface<std::string> {
 protected:
  std::vector<double> LossesIn(const std::string& precision) {
    any_precision_ = true;
    RunTraining(precision,
                {"model=" + TinyConfig(GetParam()).Dump(), "train.steps=40", "train.batch_size=2",
                 "optimizer.lr=1e-3", "train.precision=" + precision, "validate.every_steps=0",
                 "checkpoint.every_steps=0"});
    return Losses(precision, "train");
  }
};

TEST_P(PrecisionOfModel, FollowsFloat32For40StepsInBfloat16) {
  const auto full = LossesIn("float32"), half = LossesIn("bfloat16");
  ASSERT_EQ(full.size(), 40u);
  ASSERT_EQ(half.size(), 40u);
  // Processors sum products of bfloat16 in different orders, and 40 steps drift apart.
  for (std::size_t i = 0; i < full.size(); ++i) EXPECT_NEAR(half[i], full[i], 0.06 * full[i]) << i;
}

INSTANTIATE_TEST_SUITE_P(Table, PrecisionOfModel, AllModels(),
                         [](const auto& info) { return info.param; });

TEST_F(PrecisionTraining, Float16ResumesWithItsScale) {
  const std::vector<std::string> settings = {"train.precision=float16"};
  RunAnywhere("whole", settings);
  EXPECT_THROW(RunAnywhere("parts", settings, false,
                           [](std::int64_t step) {
                             if (step == 6) throw std::runtime_error("crash");
                           }),
               std::runtime_error);
  RunAnywhere("parts", settings, true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
  const auto state = LoadCheckpoint(CheckpointPath("whole", "last")).training_state;
  EXPECT_EQ(state["scaler"],
            LoadCheckpoint(CheckpointPath("parts", "last")).training_state["scaler"]);
  EXPECT_EQ(state["scaler"]["good_steps"].get<int>() + state["scaler"]["left_out"].get<int>(), 12);
  for (const auto& record : MetricsLog::Read(folder_ / "whole/metrics.jsonl")) {
    if (record["event"] != "train") continue;
    EXPECT_TRUE(record.contains("loss_scale"));
  }
}

TEST_F(PrecisionTraining, Float16LeavesStepsOutThatOverflow) {
  // The loss's gradients are of the order of its weight: 2^16 times that is beyond float16.
  const std::vector<std::string> settings = {"train.precision=float16",
                                             "loss=[{name: l1, weight: 1e5}]", "train.steps=14"};
  RunAnywhere("run", settings);
  const Checkpoint last = LoadCheckpoint(CheckpointPath("run", "last"));
  const int left_out = last.training_state["scaler"]["left_out"];
  EXPECT_GT(left_out, 0);
  EXPECT_LT(left_out, 14);
  EXPECT_EQ(last.training_state["scaler"]["scale"].get<double>(),
            GradScaler::kFirstScale / std::pow(2.0, left_out));
  for (const auto& [name, weight] : last.weights)
    EXPECT_TRUE(weight.to(torch::kFloat32).isfinite().all().item<bool>()) << name;
}

class CheckpointedTraining : public TrainingTest {};

TEST_F(CheckpointedTraining, IsBitForBitTheSame) {
  // Dropout, batch statistics, and several batches a step.
  const std::vector<std::string> settings = {
      "model={name: wave_unet, channels: 4, depth: 3, kernel_size: 5}", "train.accumulate=2"};
  std::vector<std::string> checkpointed = settings;
  checkpointed.push_back("train.activation_checkpointing=true");
  RunTraining("plain", settings);
  RunTraining("checkpointed", checkpointed);
  ExpectSameCheckpoint(CheckpointPath("plain", "last"), CheckpointPath("checkpointed", "last"));
  EXPECT_EQ(Losses("plain", "train"), Losses("checkpointed", "train"));
  EXPECT_EQ(Losses("plain", "validation"), Losses("checkpointed", "validation"));
}

TEST_F(CheckpointedTraining, IsRefusedForModelsWithoutLevels) {
  EXPECT_THAT(MessageOf([&] {
                RunTraining("run", {"model={name: open_unmix, hidden_size: 8, n_fft: 64, hop: 16}",
                                    "train.activation_checkpointing=true"});
              }),
              HasSubstr("no levels to checkpoint"));
}

}  // namespace
}  // namespace stemsmith::testing::precision
