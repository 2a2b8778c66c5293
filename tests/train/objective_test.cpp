// Losses and schedules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "train/loss.h"
#include "train/schedule.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

double LossOf(const std::string& yaml, const torch::Tensor& estimates,
              const torch::Tensor& targets) {
  const Config config = Config::Parse("loss: " + yaml, "test");
  const WeightedLoss loss(config.List("loss"), torch::kCPU);
  config.CheckAllRead();
  return loss(estimates, targets).item<double>();
}

TEST(Loss, MatchesItsDefinition) {
  torch::manual_seed(1);
  const torch::Tensor a = torch::randn({2, 3, 2, 500}), b = torch::randn({2, 3, 2, 500});
  const double l1 = (a - b).abs().mean().item<double>();
  const double mse = (a - b).square().mean().item<double>();
  EXPECT_NEAR(LossOf("[]", a, b), l1, 1e-6) << "the default is L1 on waveforms";
  EXPECT_NEAR(LossOf("[{name: mse}]", a, b), mse, 1e-6);
  EXPECT_NEAR(LossOf("[{name: l1, weight: 2}, {name: mse, weight: 0.5}]", a, b), 2 * l1 + 0.5 * mse,
              1e-5);
  const auto magnitude = [](const torch::Tensor& x) {
    return torch::stft(x.reshape({-1, 500}), 64, 16, 64, torch::hann_window(64), true, "reflect",
                       false, true, true)
        .abs();
  };
  EXPECT_NEAR(LossOf("[{name: l1, domain: magnitude, n_fft: 64}]", a, b),
              (magnitude(a) - magnitude(b)).abs().mean().item<double>(), 1e-5);
}

TEST(Loss, GradientIsFiniteInSilence) {
  const Config config = Config::Parse("loss: [{name: l1, domain: magnitude, n_fft: 64}]", "test");
  const WeightedLoss loss(config.List("loss"), torch::kCPU);
  const torch::Tensor silent = torch::zeros({1, 1, 1, 300}, torch::requires_grad());
  loss(silent, torch::randn({1, 1, 1, 300})).backward();
  EXPECT_TRUE(silent.grad().isfinite().all().item<bool>());
}

TEST(Loss, UnknownNameNamesTheNearest) {
  try {
    LossOf("[{name: l2}]", torch::zeros({1, 1, 1, 4}), torch::zeros({1, 1, 1, 4}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'l1'"));
  }
}

TEST(Schedule, WarmsUpThenFollowsTheCosine) {
  const Config config = Config::Parse("{name: cosine, warmup_steps: 4, final_ratio: 0.1}", "test");
  const LearningRate rate(config, 2.0);
  EXPECT_DOUBLE_EQ(rate.At(0, 104), 0.5);
  EXPECT_DOUBLE_EQ(rate.At(3, 104), 2.0);
  EXPECT_DOUBLE_EQ(rate.At(4, 104), 2.0);
  EXPECT_NEAR(rate.At(54, 104), 2.0 * 0.55, 1e-12);
  EXPECT_NEAR(rate.At(104, 104), 0.2, 1e-12);
  EXPECT_NEAR(rate.At(1000, 104), 0.2, 1e-12);
}

TEST(Schedule, ConstantStays) {
  const Config config = Config::Parse("{}", "test");
  const LearningRate rate(config, 0.25);
  EXPECT_EQ(rate.At(0, 10), 0.25);
  EXPECT_EQ(rate.At(9, 10), 0.25);
}

}  // namespace
}  // namespace stemsmith
