#include "models/layers/convolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "models/layers/convolution_trial.h"
#include "tests/models/faulty_convolutions.h"
#include "tests/models/tiny_models.h"

namespace stemsmith::testing::convolution_test {
namespace {

namespace nn = torch::nn;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using torch::Tensor;

struct Case {
  std::string name;
  std::vector<std::int64_t> input, weight;
  ConvolutionSpec spec;
  bool fits = true;  // the kernel is a multiple of the stride

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

ConvolutionSpec Line(std::int64_t stride, std::int64_t padding = 0) {
  return {{stride}, {padding}, {1}, {0}};
}
ConvolutionSpec LineBack(std::int64_t stride, std::int64_t padding = 0, std::int64_t more = 0) {
  return {{stride}, {padding}, {1}, {more}, 1, true};
}

// All kinds that the models have, at lengths that the stride divides and at others.
std::vector<Case> Cases() {
  return {
      {"line", {2, 24, 1024}, {48, 24, 8}, Line(4)},
      {"line_with_rest", {2, 12, 1027}, {24, 12, 8}, Line(4)},
      {"line_padded", {2, 8, 510}, {16, 8, 8}, Line(4, 2)},
      {"line_of_patches", {1, 2, 300}, {8, 2, 4}, Line(4)},
      {"line_of_odd_kernel", {2, 16, 600}, {32, 16, 15}, Line(2, 7), false},
      {"picture_along_one", {2, 12, 64, 9}, {24, 12, 8, 1}, {{4, 1}, {2, 0}, {1, 1}, {0, 0}}},
      {"picture_with_context", {1, 4, 16, 9}, {6, 4, 2, 3}, {{2, 1}, {0, 2}, {1, 2}, {0, 0}}},
      {"picture", {2, 4, 17, 20}, {8, 4, 5, 5}, {{2, 2}, {2, 2}, {1, 1}, {0, 0}}, false},
      {"line_back", {2, 48, 255}, {48, 24, 8}, LineBack(4)},
      {"line_back_padded", {2, 24, 130}, {24, 12, 8}, LineBack(4, 2)},
      {"line_back_longer", {2, 16, 100}, {16, 8, 5}, LineBack(2, 2, 1), false},
      {"line_back_one_more", {1, 8, 50}, {8, 4, 3}, LineBack(2, 0, 1), false},
      {"picture_back_along_one",
       {2, 24, 16, 9},
       {24, 12, 8, 1},
       {{4, 1}, {2, 0}, {1, 1}, {0, 0}, 1, true}},
      {"picture_back",
       {2, 8, 9, 10},
       {8, 4, 5, 5},
       {{2, 2}, {2, 2}, {1, 1}, {1, 1}, 1, true},
       false},
  };
}

struct Arguments {
  Tensor input, weight, bias;
};

Arguments Random(const Case& c) {
  torch::manual_seed(5);
  const std::int64_t out = c.weight[c.spec.transposed ? 1 : 0];
  return {torch::randn(c.input).requires_grad_(),
          torch::randn(c.weight)
              .div_(std::sqrt(8.0 * static_cast<double>(c.input[1])))
              .requires_grad_(),
          torch::randn({out}).requires_grad_()};
}

using Function = std::function<Tensor(const Arguments&)>;

// The result and the gradients of all arguments.
std::vector<Tensor> Results(const Arguments& arguments, const Function& function) {
  Tensor result = function(arguments);
  torch::manual_seed(6);
  const Tensor gradient = torch::randn(result.sizes());
  auto all = torch::autograd::grad({result}, {arguments.input, arguments.weight, arguments.bias},
                                   {gradient.to(result.scalar_type())});
  all.push_back(result.detach());
  return all;
}

double Error(const std::vector<Tensor>& given, const std::vector<Tensor>& expected) {
  double error = 0.0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    EXPECT_EQ(given[i].sizes(), expected[i].sizes());
    const Tensor difference = given[i].to(expected[i].scalar_type()) - expected[i];
    error = std::max(error, (difference.norm() / expected[i].norm()).item<double>());
  }
  return error;
}

Function InForm(ConvolutionForm form, const ConvolutionSpec& spec) {
  return [=](const Arguments& a) { return ConvolveInForm(form, a.input, a.weight, a.bias, spec); };
}

// In bfloat16, as layers do.
Function Mixed(const ConvolutionSpec& spec) {
  return [=](const Arguments& a) {
    const AutocastScope scope(torch::kCPU, at::kBFloat16);
    return Convolve(a.input, a.weight, a.bias, spec);
  };
}

// As LibTorch's layers do.
Function PlainMixed(const ConvolutionSpec& spec) {
  return [=](const Arguments& a) {
    const auto half = [](const Tensor& tensor) { return tensor.to(at::kBFloat16); };
    return ConvolveInForm(ConvolutionForm::kPlain, half(a.input), half(a.weight), half(a.bias),
                          spec);
  };
}

class Convolutions : public ::testing::TestWithParam<Case> {};

TEST_P(Convolutions, AreTheSameInDenseForm) {
  const Case& c = GetParam();
  const Arguments arguments = Random(c);
  ASSERT_TRUE(HasDenseForm(arguments.weight, c.spec));
  EXPECT_EQ(DenseFormFits(arguments.weight, c.spec), c.fits);
  const auto exact =
      Results({arguments.input.to(torch::kFloat64), arguments.weight.to(torch::kFloat64),
               arguments.bias.to(torch::kFloat64)},
              InForm(ConvolutionForm::kPlain, c.spec));
  const double plain = Error(Results(arguments, InForm(ConvolutionForm::kPlain, c.spec)), exact);
  const double dense = Error(Results(arguments, InForm(ConvolutionForm::kDense, c.spec)), exact);
  RecordProperty("plain", std::to_string(1e6 * plain));
  RecordProperty("dense", std::to_string(1e6 * dense));
  EXPECT_LT(dense, plain + 2.5e-7);
}

TEST_P(Convolutions, AreRightInBfloat16WhereStridedOnesAreNot) {
  const Case& c = GetParam();
  const Arguments arguments = Random(c);
  const auto plain = Results(arguments, InForm(ConvolutionForm::kPlain, c.spec));
  const FaultyConvolutions amx(PlainConvolution::WrongWithAmx);
  EXPECT_LT(Error(Results(arguments, Mixed(c.spec)), plain), 0.01);
  EXPECT_THAT(WrongConvolutions(), IsEmpty()) << "the dense form is right";
  const auto faulty = Results(arguments, PlainMixed(c.spec));
  EXPECT_GT(Error(faulty, plain), 1.0) << "the test would not see the fault";
}

TEST_P(Convolutions, RunInFloat32WhereNoFormIsRight) {
  const Case& c = GetParam();
  const Arguments arguments = Random(c);
  const auto plain = Results(arguments, InForm(ConvolutionForm::kPlain, c.spec));
  // The result, the input's gradient, the weight's; and single values of them.
  const auto one_value = [](const Tensor& result) {
    Tensor spoiled = result.clone(), one = spoiled[0][0];
    while (one.dim() > 0) one = one[one.size(0) / 2];
    one.fill_(1000);
    return spoiled;
  };
  for (const auto& spoil : {FaultyConvolutions::Spoil(FaultyConvolutions::OffByMoreThanAll),
                            FaultyConvolutions::Spoil(one_value)}) {
    for (const auto& [backward, gradient] :
         {std::pair(false, 0), std::pair(true, 0), std::pair(true, 1)}) {
      const FaultyConvolutions machine(
          [backward = backward](const PlainConvolution& call) {
            return call.input.scalar_type() == at::kBFloat16 && call.backward == backward;
          },
          spoil, static_cast<std::size_t>(gradient));
      EXPECT_LT(Error(Results(arguments, Mixed(c.spec)), plain), 0.01) << backward << gradient;
      EXPECT_THAT(WrongConvolutions(),
                  ElementsAre(AllOf(HasSubstr(std::to_string(c.input[1]) + " to "),
                                    HasSubstr("length " + std::to_string(c.input[2])))));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Convolutions, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

TEST(ConvolutionTrial, IsMadeOncePerShapeAndDrawsNothing) {
  std::vector<std::int64_t> lengths;
  const FaultyConvolutions machine([&](const PlainConvolution& call) {
    lengths.push_back(call.input.size(2));
    return false;
  });
  const Case c = Cases()[0];
  torch::manual_seed(7);
  const Tensor expected = torch::rand({3});
  const Arguments arguments = Random(c);
  torch::manual_seed(7);
  const Function run = Mixed(c.spec);
  run(arguments);
  EXPECT_TRUE(torch::equal(torch::rand({3}), expected)) << "the stream of the model's numbers";
  const std::size_t first = lengths.size();
  EXPECT_GT(first, 1u);
  run(arguments);
  EXPECT_EQ(lengths.size(), first + 1) << "the same shape";
  run({arguments.input.slice(2, 1), arguments.weight, arguments.bias});
  EXPECT_GT(lengths.size(), first + 2) << "another one";
}

TEST(ConvolutionTrial, ShortensLongInputsByWholeBlocks) {
  std::vector<std::int64_t> lengths;
  const FaultyConvolutions machine([&](const PlainConvolution& call) {
    if (!call.backward) lengths.push_back(call.input.size(2));
    return false;
  });
  const Tensor weight = torch::zeros({3, 2, 3}), input = torch::zeros({1, 2, 12345678});
  RightForm(input, weight, {}, Line(1), at::kBFloat16);
  ASSERT_FALSE(lengths.empty());
  EXPECT_LT(lengths[0], 5000000);
  EXPECT_EQ(lengths[0] % 64, 12345678 % 64);
}

class MachineWithAmx : public ModelTableTest {};

// What a step gives: the estimates, and all gradients in a row.
std::pair<Tensor, Tensor> Step(SeparationModel& model, std::optional<at::ScalarType> precision) {
  torch::manual_seed(3);
  const Tensor mix = torch::randn({2, model.setting().channels, 4000});
  Tensor estimates;
  {
    const AutocastScope scope(torch::kCPU, precision);
    estimates = model.forward(mix).to(torch::kFloat32);
  }
  estimates.square().mean().backward();
  std::vector<Tensor> gradients;
  for (const Tensor& parameter : model.parameters())
    if (parameter.grad().defined()) gradients.push_back(parameter.grad().flatten());
  return {estimates.detach(), torch::cat(gradients)};
}

template <typename Plain, typename Ours>
bool IsOurs(torch::nn::Module& module) {
  return dynamic_cast<Plain*>(&module) == nullptr || dynamic_cast<Ours*>(&module) != nullptr;
}

TEST_P(MachineWithAmx, FindsOurConvolutionsOnly) {
  for (const auto& part : TinyModel(GetParam())->modules()) {
    EXPECT_TRUE((IsOurs<nn::Conv1dImpl, Conv1dImpl>(*part))) << part->name();
    EXPECT_TRUE((IsOurs<nn::Conv2dImpl, Conv2dImpl>(*part))) << part->name();
    EXPECT_TRUE((IsOurs<nn::ConvTranspose1dImpl, ConvTranspose1dImpl>(*part))) << part->name();
    EXPECT_TRUE((IsOurs<nn::ConvTranspose2dImpl, ConvTranspose2dImpl>(*part))) << part->name();
  }
}

TEST_P(MachineWithAmx, ComesNearFloat32InBfloat16) {
  const auto [estimates, gradients] = Step(*TinyModel(GetParam()), {});
  const FaultyConvolutions amx(PlainConvolution::WrongWithAmx);
  const auto [half, half_gradients] = Step(*TinyModel(GetParam()), at::kBFloat16);
  EXPECT_LT(Error({half}, {estimates}), 0.05);
  EXPECT_LT(Error({half_gradients}, {gradients}), 0.2);
  EXPECT_THAT(WrongConvolutions(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Table, MachineWithAmx, AllModels(),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace stemsmith::testing::convolution_test
