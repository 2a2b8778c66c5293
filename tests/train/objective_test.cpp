// Losses, optimisers, schedules and the weight average.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "train/loss.h"
#include "train/optimizer.h"
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

// A small problem whose gradients change from step to step.
struct Problem {
  torch::Tensor weight, bias;
  Problem() {
    torch::manual_seed(3);
    weight = torch::randn({4, 5}).requires_grad_();
    bias = torch::randn({4}).requires_grad_();
  }
  NamedTensors parameters() const { return {{"weight", weight}, {"bias", bias}}; }
  void Backward(std::int64_t step) const {
    torch::manual_seed(10 + step);
    const torch::Tensor x = torch::randn({8, 5});
    (torch::matmul(x, weight.t()) + bias).tanh().sub(0.3).square().sum().backward();
  }
};

template <typename Reference>
void ExpectSameCourse(const std::string& yaml, Reference reference) {
  Problem ours, theirs;
  const Config config = Config::Parse(yaml, "test");
  const auto optimizer = MakeOptimizer(config, ours.parameters());
  auto peer = reference(std::vector<torch::Tensor>{theirs.weight, theirs.bias});
  for (int step = 0; step < 20; ++step) {
    optimizer->ZeroGrad();
    ours.Backward(step);
    optimizer->Step(0.02);
    peer->zero_grad();
    theirs.Backward(step);
    peer->step();
  }
  EXPECT_TRUE(torch::allclose(ours.weight, theirs.weight, 1e-5, 1e-6));
  EXPECT_TRUE(torch::allclose(ours.bias, theirs.bias, 1e-5, 1e-6));
}

TEST(Optimizer, AdamFollowsLibTorch) {
  ExpectSameCourse("{name: adam, betas: [0.8, 0.99], weight_decay: 0.05}",
                   [](std::vector<torch::Tensor> parameters) {
                     return std::make_unique<torch::optim::Adam>(
                         parameters,
                         torch::optim::AdamOptions(0.02).betas({0.8, 0.99}).weight_decay(0.05));
                   });
}

TEST(Optimizer, AdamWFollowsLibTorch) {
  ExpectSameCourse("{name: adamw, eps: 1e-6, weight_decay: 0.1}",
                   [](std::vector<torch::Tensor> parameters) {
                     return std::make_unique<torch::optim::AdamW>(
                         parameters, torch::optim::AdamWOptions(0.02).eps(1e-6).weight_decay(0.1));
                   });
}

TEST(Optimizer, StateByNameContinuesExactly) {
  const Config config = Config::Parse("{name: adam}", "test");
  Problem whole, parts;
  const auto optimizer = MakeOptimizer(config, whole.parameters());
  auto first = MakeOptimizer(config, parts.parameters());
  for (int step = 0; step < 10; ++step) {
    for (auto [problem, o] : {std::pair{&whole, optimizer.get()}, {&parts, first.get()}}) {
      o->ZeroGrad();
      problem->Backward(step);
      o->Step(0.01);
    }
    if (step == 4) {
      NamedTensors state;
      for (const auto& [name, tensor] : first->State()) state.emplace_back(name, tensor.clone());
      std::reverse(state.begin(), state.end());  // order does not matter
      first = MakeOptimizer(config, parts.parameters());
      first->LoadState(state, "test");
    }
  }
  EXPECT_TRUE(torch::equal(whole.weight, parts.weight));
  NamedTensors state = optimizer->State();
  state.pop_back();
  EXPECT_THROW(first->LoadState(state, "test"), Error);
}

TEST(Optimizer, TakesGradientsOfAnyLayout) {
  const Config config = Config::Parse("{name: adam}", "test");
  torch::Tensor plain = torch::zeros({3, 4}), turned = torch::zeros({3, 4});
  const torch::Tensor gradient = torch::arange(12, torch::kFloat32).reshape({3, 4}) - 5.5;
  plain.mutable_grad() = gradient;
  turned.mutable_grad() = gradient.t().contiguous().t();
  MakeOptimizer(config, {{"w", plain}})->Step(0.1);
  MakeOptimizer(config, {{"w", turned}})->Step(0.1);
  EXPECT_TRUE(torch::equal(plain, turned));
}

TEST(Optimizer, ClipsTheCommonNorm) {
  torch::Tensor a = torch::zeros({2}), b = torch::zeros({1});
  a.mutable_grad() = torch::tensor({3.0f, 0.0f});
  b.mutable_grad() = torch::tensor({4.0f});
  const NamedTensors parameters = {{"a", a}, {"b", b}};
  EXPECT_NEAR(ClipGradients(parameters, 0), 5.0, 1e-6);
  EXPECT_NEAR(ClipGradients(parameters, 10), 5.0, 1e-6);
  EXPECT_NEAR(a.grad()[0].item<double>(), 3.0, 1e-6);
  EXPECT_NEAR(ClipGradients(parameters, 1), 5.0, 1e-6);
  EXPECT_NEAR(a.grad()[0].item<double>(), 0.6, 1e-5);
  EXPECT_NEAR(b.grad()[0].item<double>(), 0.8, 1e-5);
  b.mutable_grad().fill_(std::numeric_limits<float>::infinity());
  EXPECT_FALSE(std::isfinite(ClipGradients(parameters, 1)));
}

TEST(Optimizer, RefusesSenselessBetas) {
  const Config config = Config::Parse("{name: adam, betas: [0.9, 1.0]}", "test");
  EXPECT_THROW(MakeOptimizer(config, {}), Error);
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
