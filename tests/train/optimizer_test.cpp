#include "train/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing::optimizer_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

// LibTorch's optimiser with the first parameter as it is and the second in a group of its own.
std::unique_ptr<torch::optim::Optimizer> WithGroups(const std::string& name,
                                                    const std::vector<torch::Tensor>& parameters,
                                                    double decay, double factor,
                                                    double group_decay) {
  const auto groups = [&](auto options) {
    auto first = std::make_unique<decltype(options)>(options);
    auto second = std::make_unique<decltype(options)>(options);
    first->weight_decay(decay);
    second->weight_decay(group_decay).lr(0.02 * factor);
    std::vector<torch::optim::OptimizerParamGroup> made;
    made.emplace_back(std::vector<torch::Tensor>{parameters[0]}, std::move(first));
    made.emplace_back(std::vector<torch::Tensor>{parameters[1]}, std::move(second));
    return made;
  };
  if (name == "adam")
    return std::make_unique<torch::optim::Adam>(groups(torch::optim::AdamOptions(0.02)));
  if (name == "adamw")
    return std::make_unique<torch::optim::AdamW>(groups(torch::optim::AdamWOptions(0.02)));
  return std::make_unique<torch::optim::SGD>(groups(torch::optim::SGDOptions(0.02)),
                                             torch::optim::SGDOptions(0.02));
}

void ContinuesExactly(const Config& config) {
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

TEST(Optimizer, SgdFollowsLibTorch) {
  for (const bool nesterov : {false, true}) {
    for (const double momentum : {0.0, 0.8}) {
      if (nesterov && momentum == 0.0) continue;
      const std::string yaml =
          "{name: sgd, weight_decay: 0.05, momentum: " + std::to_string(momentum) +
          (nesterov ? ", nesterov: true}" : "}");
      ExpectSameCourse(yaml, [&](std::vector<torch::Tensor> parameters) {
        return std::make_unique<torch::optim::SGD>(
            parameters,
            torch::optim::SGDOptions(0.02).momentum(momentum).nesterov(nesterov).weight_decay(
                0.05));
      });
    }
  }
}

TEST(Optimizer, NesterovNeedsMomentum) {
  EXPECT_THAT(MessageOf([] {
                MakeOptimizer(Config::Parse("{name: sgd, nesterov: true}", "test"),
                              Problem().parameters());
              }),
              HasSubstr("optimizer.momentum"));
}

// The step of a matrix is its momentum made orthogonal: the singular values of a step are alike.
// tests/reference compares with torch.optim.Muon.
TEST(Optimizer, MuonStepsAreOrthogonal) {
  Problem problem;
  const torch::Tensor before = problem.weight.detach().clone();
  const auto optimizer = MakeOptimizer(Config::Parse("{name: muon, weight_decay: 0}", "test"),
                                       problem.parameters());
  problem.Backward(0);
  optimizer->Step(0.02);
  const torch::Tensor step =
      (before - problem.weight.detach()) / (0.02 * 0.2 * std::sqrt(5.0));
  const torch::Tensor values = std::get<1>(torch::linalg_svd(step));
  EXPECT_GT(values.min().item<double>(), 0.5);
  EXPECT_LT(values.max().item<double>(), 1.3);
  // Only the bias has what AdamW keeps.
  std::vector<std::string> names;
  for (const auto& [name, tensor] : optimizer->State()) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("exp_avg.bias", "exp_avg_sq.bias", "step.bias",
                                 "momentum.weight"));
}

TEST(Optimizer, MuonLeavesToAdamWWhatIsNamed) {
  Problem muon, adamw;
  const auto ours = MakeOptimizer(
      Config::Parse("{name: muon, adamw: [wei*], momentum: 0.9}", "test"),
      NamedTensors{{"weight", muon.weight}, {"other", torch::ones({2, 2}).requires_grad_()}});
  const auto theirs = MakeOptimizer(Config::Parse("{name: adamw}", "test"),
                                    NamedTensors{{"weight", adamw.weight}});
  for (int step = 0; step < 3; ++step) {
    muon.Backward(step), adamw.Backward(step);
    ours->Step(0.01), theirs->Step(0.01);
  }
  EXPECT_TRUE(torch::equal(muon.weight, adamw.weight));
}

TEST(Optimizer, MuonSaysWhatItCannotDo) {
  const auto refusal = [](const std::string& options) {
    return MessageOf([&] {
      MakeOptimizer(Config::Parse("{name: muon, " + options + "}", "test"),
                    Problem().parameters());
    });
  };
  EXPECT_THAT(refusal("adamw: [\"*\"]"), HasSubstr("leaves no matrix to Muon"));
  EXPECT_THAT(refusal("adamw: [weigth]"), HasSubstr("a near one is 'weight'"));
  EXPECT_THAT(refusal("momentum: 1.5"), HasSubstr("'momentum'"));
}

// Groups, and which parameters the decay spares, as LibTorch has them with groups by hand.
TEST(Optimizer, GroupsTakeTheirOwnRateAndDecay) {
  for (const char* name : {"adam", "adamw", "sgd"}) {
    const std::string head = std::string("{name: ") + name + ", weight_decay: 0.3, ";
    ExpectSameCourse(
        head + "groups: [{match: \"b*\", lr_factor: 0.1, weight_decay: 0.02}]}",
        [&](std::vector<torch::Tensor> p) { return WithGroups(name, p, 0.3, 0.1, 0.02); });
    ExpectSameCourse(
        head + "decay_norms_and_biases: false, groups: [{match: bias, lr_factor: 3}]}",
        [&](std::vector<torch::Tensor> p) { return WithGroups(name, p, 0.3, 3.0, 0.0); });
  }
}

TEST(Optimizer, DecaySparesNormsAndBiases) {
  const NamedTensors parameters = {
      {"conv.weight", torch::zeros({4, 3, 3})}, {"conv.bias", torch::zeros({4})},
      {"norm.weight", torch::zeros({4})},       {"input_bias", torch::zeros({1, 2, 8, 1})},
      {"lstm.bias_ih_l0", torch::zeros({16})},  {"in_proj_weight", torch::zeros({6, 2})}};
  const Config config = Config::Parse("{decay_norms_and_biases: false}", "test");
  const auto groups = MakeParameterGroups(config, parameters, 0.1);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_THAT(groups[0].members, ElementsAre(0, 5));
  EXPECT_EQ(groups[0].weight_decay, 0.1);
  EXPECT_THAT(groups[1].members, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(groups[1].weight_decay, 0.0);
  EXPECT_EQ(MakeParameterGroups(Config(), parameters, 0.1).size(), 1u) << "all of them by default";
}

TEST(Optimizer, FirstMatchingGroupCounts) {
  const NamedTensors parameters = {{"encoder.0.weight", torch::zeros({2, 2})},
                                   {"encoder.1.weight", torch::zeros({2, 2})},
                                   {"decoder.0.weight", torch::zeros({2, 2})}};
  const Config config = Config::Parse(
      "{groups: [{match: \"encoder.0.*\", lr_factor: 0.1}, {match: \"encoder.*\", lr_factor: "
      "0.5}]}",
      "test");
  const auto groups = MakeParameterGroups(config, parameters, 0.0);
  ASSERT_EQ(groups.size(), 3u);
  for (const auto& [index, factor] : {std::pair{0, 0.1}, {1, 0.5}, {2, 1.0}}) {
    EXPECT_THAT(groups[index].members, ElementsAre(index));
    EXPECT_EQ(groups[index].lr_factor, factor);
  }
}

TEST(Optimizer, PatternsThatMatchNothingNameANearParameter) {
  const NamedTensors parameters = {{"encoder.0.conv.weight", torch::zeros({2, 2})},
                                   {"decoder.0.conv.weight", torch::zeros({2, 2})},
                                   {"freq_emb.embedding.weight", torch::zeros({2, 2})}};
  const auto make = [&](const std::string& pattern) {
    const Config config = Config::Parse(
        "name: adam\ngroups:\n  - {match: \"encoder.*\"}\n  - {match: \"" + pattern + "\"}\n",
        "test");
    MakeOptimizer(config, parameters);
  };
  const auto message = [&](const std::string& pattern) {
    return MessageOf([&] { make(pattern); });
  };
  EXPECT_THAT(message("decodr.*"), HasSubstr("'decoder.0.conv.weight'"));
  EXPECT_THAT(message("freq_emb.embeding.*"), HasSubstr("'freq_emb.embedding.weight'"));
  EXPECT_THAT(message("decoder"), HasSubstr("'decoder.0.conv.weight'")) << "whole names";
  EXPECT_THAT(message("decodr.*"), HasSubstr("test:4"));
  EXPECT_THAT(message("encoder.0.*"), HasSubstr("an earlier group"));
  EXPECT_NO_THROW(make("*"));
}

TEST(Optimizer, StateByNameContinuesExactly) {
  ContinuesExactly(Config::Parse("{name: muon}", "test"));
  for (const char* yaml : {"{name: adam}", "{name: sgd, momentum: 0.9, nesterov: true}",
                           "{name: adamw, groups: [{match: bias, lr_factor: 0.1}]}"}) {
    ContinuesExactly(Config::Parse(yaml, "test"));
  }
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

}  // namespace
}  // namespace stemsmith::testing::optimizer_test
