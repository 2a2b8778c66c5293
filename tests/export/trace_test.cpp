#include "export/trace.h"

#include <gtest/gtest.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include "core/error.h"
#include "export/lowering.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

using torch::Tensor;

struct Empty : torch::nn::Module {};

Trace TraceFunction(const TraceableForward& forward,
                    const std::vector<std::int64_t>& lengths = {16, 24}) {
  Empty module;
  module.eval();
  return TraceForward(module, forward, GuardExamples(2, lengths), "the test's model");
}

std::string ProblemOf(const std::function<void()>& action) {
  const Error error = ErrorOf(action);
  EXPECT_NE(error.where().find("the test's model"), std::string::npos);
  return error.problem();
}

TEST(TraceGuard, RefusesABatchSizeThatWasBakedIn) {
  const std::string problem = ProblemOf([] {
    TraceFunction([](const Tensor& x) { return x.reshape({x.sizes()[0], -1, 1}); });
  });
  EXPECT_NE(problem.find("does not hold for other input sizes"), std::string::npos);
  EXPECT_NE(problem.find("from [2, 2, 16] to [3, 2, 16]"), std::string::npos) << problem;
}

TEST(TraceGuard, RefusesALengthThatWasBakedIn) {
  const TraceableForward forward = [](const Tensor& x) { return x.slice(2, 0, x.sizes()[2] - 4); };
  EXPECT_NE(ProblemOf([&] { TraceFunction(forward); }), "");
  EXPECT_NO_THROW(TraceFunction(forward, {16}));
}

TEST(TraceGuard, RefusesConstantsThatDependOnTheInput) {
  EXPECT_NE(
      ProblemOf([] { TraceFunction([](const Tensor& x) { return x * x.mean().item<double>(); }); }),
      "");
}

TEST(Trace, KnowsWhichDimensionsVary) {
  const Trace trace = TraceFunction([](const Tensor& x) {
    return x.unsqueeze(1).expand({-1, 5, -1, -1});
  });
  const auto& out = trace.tensors.at(trace.graph->outputs()[0]);
  EXPECT_EQ(out.shape,
            (std::vector<std::int64_t>{TracedTensor::kVaries, 5, 2, TracedTensor::kVaries}));
  const Trace fixed = TraceFunction([](const Tensor& x) { return x * 2; }, {16});
  EXPECT_EQ(fixed.tensors.at(fixed.graph->outputs()[0]).shape,
            (std::vector<std::int64_t>{TracedTensor::kVaries, 2, 16}));
}

TEST(Trace, KeepsTheParametersUnderTheirNames) {
  torch::nn::Sequential inner(torch::nn::Conv1d(2, 3, 1), torch::nn::ReLU(),
                              torch::nn::BatchNorm1d(3));
  torch::nn::Module module;
  module.register_module("inner", inner);
  module.register_module("again", inner);  // shared
  module.eval();
  const Trace trace = TraceForward(
      module, [&](const Tensor& x) { return inner->forward(x); }, GuardExamples(2, {8}), "test");
  std::set<std::string> names;
  for (const auto& item : trace.module.named_parameters()) names.insert(item.name);
  for (const auto& item : trace.module.named_buffers()) names.insert(item.name);
  EXPECT_TRUE(names.contains("inner.0.weight"));
  EXPECT_TRUE(names.contains("inner.2.running_mean"));
  const Tensor x = torch::randn({4, 2, 8});
  torch::jit::Module traced = trace.module;
  EXPECT_TRUE(traced.forward({x}).toTensor().equal(inner->forward(x)));
}

TEST(Lowering, NamesTheOperatorAndTheModelWhereThereIsNoRule) {
  const Trace trace = TraceFunction([](const Tensor& x) { return torch::digamma(x); });
  const std::string problem = ProblemOf([&] { LowerToOnnx(trace, "the test's model"); });
  EXPECT_NE(problem.find("aten::digamma"), std::string::npos) << problem;
}

TEST(Lowering, NamesTheOperatorWhereItsArgumentsHaveNoForm) {
  const Trace trace = TraceFunction([](const Tensor& x) { return torch::softplus(x, 2.0); });
  const std::string problem = ProblemOf([&] { LowerToOnnx(trace, "the test's model"); });
  EXPECT_NE(problem.find("aten::softplus"), std::string::npos) << problem;
  EXPECT_NE(problem.find("beta"), std::string::npos) << problem;
}

TEST(Lowering, NamesTheVaryingDimensions) {
  const Trace trace = TraceFunction([](const Tensor& x) { return x.unsqueeze(1) * 2; });
  const OnnxGraph graph = LowerToOnnx(trace, "test");
  const std::vector<OnnxDimension> in = {"batch", std::int64_t{2}, "frames"};
  const std::vector<OnnxDimension> out = {"batch", std::int64_t{1}, std::int64_t{2}, "frames"};
  EXPECT_EQ(graph.inputs.at(0).shape, in);
  EXPECT_EQ(graph.outputs.at(0).shape, out);
}

TEST(Lowering, ComputesConstantsOnceAndDropsWhatIsUnused) {
  const Trace trace = TraceFunction(
      [](const Tensor& x) {
        const Tensor window = torch::hann_window(16, torch::kFloat32).square() * 0.5;
        (void)torch::exp(x);
        return x * window;
      },
      {16});
  const OnnxGraph graph = LowerToOnnx(trace, "test");
  ASSERT_EQ(graph.nodes.size(), 2u);  // the product, and the identity that names the output
  EXPECT_EQ(graph.nodes[0].op, "Mul");
  EXPECT_EQ(graph.constants.size(), 1u);
}

// What models do to keep a size that they compute with: traced arithmetic, handed to the operator.
TEST(Lowering, FollowsTracedSizeArithmetic) {
  const Trace trace = TraceFunction([](const Tensor& x) {
    const Tensor frames = torch::jit::tracer::getSizeOf(x, 2);
    torch::jit::tracer::ArgumentStash::stashValue("end", 1, torch::div(frames - 3, 2, "floor"),
                                                  c10::IntType::get());
    return x.slice(2, 0, (x.sizes()[2] - 3) / 2);
  });
  const OnnxGraph graph = LowerToOnnx(trace, "test");
  EXPECT_EQ(std::get<std::string>(graph.outputs.at(0).shape.at(2)), "frames");
}

}  // namespace
}  // namespace stemsmith::testing
