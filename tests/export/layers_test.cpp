#include <gtest/gtest.h>

#include <algorithm>

#include "tests/export/onnx_check.h"

namespace stemsmith::testing::layers_test {
namespace {

namespace F = torch::nn::functional;
using torch::Tensor;

// A module around one layer and what to do with it.
template <typename Layer>
double LayerError(Layer layer, const std::function<Tensor(Layer&, const Tensor&)>& forward,
                  const OnnxCheckOptions& options) {
  torch::nn::Module module;
  module.register_module("layer", layer);
  return OnnxError(
      module, [&](const Tensor& x) { return forward(layer, x); }, options);
}

template <typename Layer>
double LayerError(Layer layer, const OnnxCheckOptions& options = {}) {
  return LayerError<Layer>(
      layer, [](Layer& l, const Tensor& x) { return l->forward(x); }, options);
}

constexpr double kTolerance = 3e-6;

// Whether the graph of a layer has an operator.
template <typename Layer>
bool Has(Layer layer, const std::string& op, const OnnxCheckOptions& options = {}) {
  torch::nn::Module module;
  module.register_module("layer", layer);
  const auto operators = OnnxOperators(
      module, [&](const Tensor& x) { return layer->forward(x); }, options);
  return std::find(operators.begin(), operators.end(), op) != operators.end();
}

TEST(ConvolutionRule, OneDimension) {
  using O = torch::nn::Conv1dOptions;
  EXPECT_LT(LayerError(torch::nn::Conv1d(O(2, 5, 8).stride(4).padding(2))), kTolerance);
  EXPECT_LT(LayerError(torch::nn::Conv1d(O(2, 4, 3).dilation(3).groups(2).bias(false))),
            kTolerance);
  EXPECT_LT(LayerError(torch::nn::Conv1d(O(2, 3, 4).padding(torch::kSame))), kTolerance);
}

TEST(ConvolutionRule, OneDimensionTransposed) {
  using O = torch::nn::ConvTranspose1dOptions;
  EXPECT_LT(LayerError(torch::nn::ConvTranspose1d(O(2, 5, 8).stride(4))), kTolerance);
  EXPECT_LT(LayerError(torch::nn::ConvTranspose1d(
                O(2, 4, 5).stride(3).padding(1).output_padding(2).groups(2).bias(false))),
            kTolerance);
}

TEST(ConvolutionRule, ToFarFewerChannelsIsSummedBehindTheProduct) {
  using O = torch::nn::Conv1dOptions;
  const OnnxCheckOptions eight{.channels = 8, .traced_lengths = {48}};
  for (const auto& [options, becomes] :
       {std::pair(O(8, 2, 3).dilation(2).padding(2), true),
        std::pair(O(8, 1, 5).dilation(3).padding(6).bias(false), true),
        std::pair(O(8, 2, 3).padding(2), false),            // longer than its input
        std::pair(O(8, 2, 3).stride(2).padding(1), false),  // shorter
        std::pair(O(8, 4, 3).padding(1), false)}) {         // nearly as wide
    EXPECT_LT(LayerError(torch::nn::Conv1d(options), eight), kTolerance);
    EXPECT_EQ(Has(torch::nn::Conv1d(options), "Split", eight), becomes);
  }
  // An input that the outer taps see nothing of, and one that may come to be such.
  const torch::nn::Conv1d wide(O(8, 2, 3).dilation(48).padding(48));
  EXPECT_LT(LayerError(wide, eight), kTolerance);
  EXPECT_FALSE(Has(wide, "Split", eight));
  EXPECT_FALSE(Has(torch::nn::Conv1d(O(8, 2, 3).padding(1)), "Split", {.channels = 8}));
}

TEST(ConvolutionRule, StridedOfFewChannelsIsDense) {
  using O = torch::nn::Conv1dOptions;
  const OnnxCheckOptions any{.traced_lengths = {47, 66}, .run_lengths = {49, 80}};
  for (const auto& [options, becomes] :
       {std::pair(O(2, 5, 8).stride(4), true), std::pair(O(2, 5, 8).stride(4).padding(2), true),
        std::pair(O(2, 5, 3).stride(3).bias(false), true),
        std::pair(O(2, 5, 15).stride(2).padding(7), true),  // a tap of zero more
        std::pair(O(2, 5, 3).stride(4).padding(1), true), std::pair(O(2, 5, 3).padding(1), false),
        std::pair(O(2, 4, 4).stride(2).groups(2), false),
        std::pair(O(2, 4, 4).stride(2).dilation(2), false)}) {
    EXPECT_LT(LayerError(torch::nn::Conv1d(options)), kTolerance);
    EXPECT_LT(LayerError(torch::nn::Conv1d(options), any), kTolerance);
    EXPECT_LT(LayerError(torch::nn::Conv1d(options), {.traced_lengths = {53}}), kTolerance);
    EXPECT_EQ(Has(torch::nn::Conv1d(options), "Reshape"), becomes);
  }
  EXPECT_TRUE(Has(torch::nn::Conv1d(O(31, 2, 8).stride(4)), "Reshape", {.channels = 31}));
  EXPECT_FALSE(Has(torch::nn::Conv1d(O(32, 2, 8).stride(4)), "Reshape", {.channels = 32}));
  // Nothing is padded or cut off where the length is known to be whole, and only cut off where the
  // taps fill the strides.
  const auto whole = torch::nn::Conv1d(O(2, 5, 8).stride(4));
  for (const char* op : {"Pad", "Slice"}) EXPECT_FALSE(Has(whole, op, {.traced_lengths = {48}}));
  EXPECT_FALSE(Has(whole, "Pad"));
  EXPECT_TRUE(Has(whole, "Slice"));
  EXPECT_TRUE(Has(torch::nn::Conv1d(O(2, 5, 8).stride(4).padding(2)), "Pad"));
}

TEST(ConvolutionRule, TransposedIsAConvolutionPerPhase) {
  using O = torch::nn::ConvTranspose1dOptions;
  for (const auto& [options, becomes] :
       {std::pair(O(2, 5, 8).stride(4), true), std::pair(O(2, 5, 8).stride(4).padding(2), true),
        std::pair(O(2, 3, 5).stride(3).padding(1).bias(false), true),  // phases of one and two taps
        std::pair(O(2, 3, 5).stride(2).padding(1).output_padding(1), true),
        std::pair(O(2, 3, 5).stride(2).padding(2).output_padding(1), true),
        std::pair(O(2, 3, 5).stride(3), false),             // phases of different lengths
        std::pair(O(2, 3, 4).stride(4).padding(4), false),  // does not see its first steps
        std::pair(O(2, 3, 6).stride(2).dilation(2), false)}) {
    EXPECT_LT(LayerError(torch::nn::ConvTranspose1d(options)), kTolerance);
    EXPECT_EQ(!Has(torch::nn::ConvTranspose1d(options), "ConvTranspose"), becomes);
  }
}

// [B, 4, T] as [B, 2, 2, T] pictures or the like.
template <typename Layer>
double PictureError(Layer layer) {
  return LayerError<Layer>(layer,
                           [](Layer& l, const Tensor& x) {
                             return l->forward(x.unflatten(1, {2, -1}));
                           },
                           {.channels = 12});
}

TEST(ConvolutionRule, TwoDimensions) {
  EXPECT_LT(PictureError(torch::nn::Conv2d(
                torch::nn::Conv2dOptions(2, 5, {4, 3}).stride({2, 1}).padding({1, 2}))),
            kTolerance);
  EXPECT_LT(PictureError(torch::nn::ConvTranspose2d(
                torch::nn::ConvTranspose2dOptions(2, 3, 4).stride(2).padding(1).bias(false))),
            kTolerance);
}

TEST(ConvolutionRule, StridedOnesOfFewChannelsAreDenseInPictures) {
  using O = torch::nn::Conv2dOptions;
  const auto picture = [](torch::nn::Conv2d& l, const Tensor& x) {
    return l->forward(x.unflatten(1, {2, -1}));
  };
  for (const auto& [options, becomes] :
       {std::pair(O(2, 3, {8, 1}).stride({4, 1}).padding(torch::ExpandingArray<2>({2, 0})), true),
        std::pair(O(2, 3, {4, 2}).stride({2, 2}).padding(1), true),
        std::pair(O(2, 3, {2, 3}).stride({2, 1}).padding({0, 1}).bias(false), true),
        std::pair(O(2, 3, 5).stride(2).padding(2),
                  false)}) {  // a kernel of six is half as much again
    const torch::nn::Conv2d layer(options);
    EXPECT_LT(PictureError(layer), kTolerance);
    EXPECT_LT(
        LayerError<torch::nn::Conv2d>(
            layer, picture, {.channels = 18, .traced_lengths = {33, 48}, .run_lengths = {31, 50}}),
        kTolerance);
    torch::nn::Module module;
    module.register_module("layer", layer);
    torch::nn::Conv2d same = layer;
    const auto operators =
        OnnxOperators(module, [&](const Tensor& x) { return picture(same, x); }, {.channels = 12});
    EXPECT_EQ(std::find(operators.begin(), operators.end(), "Transpose") != operators.end(),
              becomes);
  }
}

TEST(ConvolutionRule, TransposedAlongOneDimensionOfPictures) {
  using O = torch::nn::ConvTranspose2dOptions;
  EXPECT_LT(PictureError(torch::nn::ConvTranspose2d(
                O(2, 3, {8, 1}).stride({4, 1}).padding(torch::ExpandingArray<2>({2, 0})))),
            kTolerance);
  EXPECT_LT(PictureError(torch::nn::ConvTranspose2d(O(2, 3, {4, 2}).stride({2, 1}))), kTolerance);
}

TEST(PoolingRule, MaximumAndAverage) {
  EXPECT_LT(LayerError(torch::nn::MaxPool1d(torch::nn::MaxPool1dOptions(3).stride(2).padding(1))),
            kTolerance);
  EXPECT_LT(LayerError(torch::nn::AvgPool1d(torch::nn::AvgPool1dOptions(4).stride(2).padding(1))),
            kTolerance);
  EXPECT_LT(PictureError(torch::nn::AvgPool2d(torch::nn::AvgPool2dOptions({2, 3}))), kTolerance);
}

TEST(NormRule, BatchNormUsesItsRunningStatistics) {
  torch::manual_seed(1);
  torch::nn::BatchNorm1d norm(2);
  const torch::NoGradGuard no_grad;
  norm->running_mean.normal_();
  norm->running_var.uniform_(0.5, 2);
  norm->weight.normal_();
  norm->bias.normal_();
  EXPECT_LT(LayerError(norm), kTolerance);
  EXPECT_LT(LayerError(torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(2).affine(false))),
            kTolerance);
}

// Millions of elements, as the transformer of HTDemucs has: sums that add them up one by one are
// off by 2e-5 and more.
TEST(NormRule, KeepsItsDigitsOverManyElements) {
  torch::manual_seed(2);
  const OnnxCheckOptions options{.channels = 8, .traced_lengths = {200000}};
  torch::nn::GroupNorm norm(2, 8);
  const torch::NoGradGuard no_grad;
  norm->weight.normal_();
  norm->bias.normal_();
  EXPECT_LT(LayerError(norm, options), 3e-6);
}

TEST(NormRule, GroupsChannelsAndFeatures) {
  torch::manual_seed(2);
  const OnnxCheckOptions options{.channels = 6};
  for (const int groups : {1, 3, 6}) {
    torch::nn::GroupNorm norm(groups, 6);
    const torch::NoGradGuard no_grad;
    norm->weight.normal_();
    norm->bias.normal_();
    EXPECT_LT(LayerError(norm, options), 1e-5);
  }
  EXPECT_LT(LayerError(torch::nn::InstanceNorm1d(torch::nn::InstanceNorm1dOptions(6).affine(true)),
                       options),
            1e-5);
  torch::nn::LayerNorm layer_norm(torch::nn::LayerNormOptions({6}));
  EXPECT_LT(
      LayerError<torch::nn::LayerNorm>(
          layer_norm,
          [](torch::nn::LayerNorm& l, const Tensor& x) { return l->forward(x.transpose(1, 2)); },
          options),
      1e-5);
}

// Gates look through what is before and behind them; what they find must be there.
TEST(LinearRule, TakesItsPiecesAndFactorsIntoTheWeights) {
  for (const bool bias : {true, false}) {
    torch::nn::Module module;
    auto linear = torch::nn::Linear(torch::nn::LinearOptions(2, 9).bias(bias));
    module.register_module("linear", linear);
    const Tensor factors = module.register_buffer("factors", torch::rand({3}) + 1);
    const auto forward = [&](const Tensor& x) {
      const auto parts = torch::linear(x.transpose(1, 2), linear->weight, linear->bias)
                             .split_with_sizes({2, 4, 3}, -1);
      return torch::cat({parts[0] * 2, parts[1].sigmoid(), factors * parts[2]}, -1);
    };
    EXPECT_LT(OnnxError(module, forward), kTolerance);
    const auto operators = OnnxOperators(module, forward);
    const auto count = [&](const char* op) {
      return std::count(operators.begin(), operators.end(), op);
    };
    EXPECT_EQ(count("MatMul"), 3);
    EXPECT_EQ(count("Split") + count("Slice"), 0);
    EXPECT_EQ(count("Mul"), 1);  // by a number
  }
}

TEST(NormRule, GroupNormOfATurnedSignalTurnsNothing) {
  const std::int64_t length = 1 << 16;  // as many elements as are not normalised in one go
  torch::nn::Module module;
  auto norm = torch::nn::GroupNorm(1, 2);
  module.register_module("norm", norm);
  const torch::NoGradGuard no_grad;
  norm->weight.normal_();
  norm->bias.normal_();
  const auto forward = [&](const Tensor& x) {
    const Tensor line = x.unflatten(2, {-1, 2}).select(1, 0);  // [B, T / 2, 2]
    return norm(line.transpose(1, 2)).transpose(1, 2);
  };
  const OnnxCheckOptions options{.traced_lengths = {length}};
  EXPECT_LT(OnnxError(module, forward, options), kTolerance);
  const auto operators = OnnxOperators(module, forward, options);
  EXPECT_EQ(std::count(operators.begin(), operators.end(), "Transpose"), 0);
}

TEST(GateRule, LooksThroughConvolutionsNormsAndScales) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  for (const int kernel : {1, 3}) {
    torch::nn::Sequential layer(
        torch::nn::Conv1d(torch::nn::Conv1dOptions(4, 12, kernel).padding(kernel / 2)),
        torch::nn::GroupNorm(1, 12), torch::nn::GLU(torch::nn::GLUOptions(1)));
    layer[1]->as<torch::nn::GroupNorm>()->weight.normal_();
    layer[1]->as<torch::nn::GroupNorm>()->bias.normal_();
    const Tensor scale = torch::randn({6, 1});
    const std::function<Tensor(torch::nn::Sequential&, const Tensor&)> normed =
        [&](torch::nn::Sequential& l, const Tensor& x) { return scale * l->forward(3 * x + 1); };
    const std::function<Tensor(torch::nn::Sequential&, const Tensor&)> plain =
        [&](torch::nn::Sequential& l, const Tensor& x) {
          return torch::glu(l[0]->as<torch::nn::Conv1d>()->forward(x), 1) * scale;
        };
    for (const auto& forward : {normed, plain}) {
      const OnnxCheckOptions fixed{.channels = 4, .traced_lengths = {48}};
      EXPECT_LT(LayerError<torch::nn::Sequential>(layer, forward, fixed), 3e-6);
      const OnnxCheckOptions varying{.channels = 4};
      EXPECT_LT(LayerError<torch::nn::Sequential>(layer, forward, varying), 3e-6);
    }
  }
}

TEST(MatrixRule, LinearLayersAndProducts) {
  torch::manual_seed(3);
  const OnnxCheckOptions options{.channels = 6};
  const std::function<Tensor(torch::nn::Linear&, const Tensor&)> forward =
      [](torch::nn::Linear& l, const Tensor& x) { return l->forward(x.transpose(1, 2)); };
  EXPECT_LT(LayerError<torch::nn::Linear>(torch::nn::Linear(6, 4), forward, options), kTolerance);
  EXPECT_LT(LayerError<torch::nn::Linear>(
                torch::nn::Linear(torch::nn::LinearOptions(6, 4).bias(false)), forward, options),
            kTolerance);
  EXPECT_LT(OnnxError([](const Tensor& x) { return x.matmul(x.transpose(1, 2)); }, options),
            kTolerance);
  EXPECT_LT(OnnxError([](const Tensor& x) { return torch::bmm(x.transpose(1, 2), x); }, options),
            kTolerance);
  EXPECT_LT(OnnxError(
                [](const Tensor& x) {
                  return torch::einsum("bct,bdt->bcd", {x, 2 * x});
                },
                options),
            kTolerance);
  EXPECT_LT(OnnxError(
                [](const Tensor& x) {
                  const Tensor q = x.unflatten(1, {2, 3}).transpose(2, 3);  // [B, heads, T, 3]
                  return torch::scaled_dot_product_attention(q, 2 * q, q + 1);
                },
                options),
            kTolerance);
}

TEST(MatrixRule, AttentionOverManySteps) {
  torch::manual_seed(3);
  const OnnxCheckOptions options{.channels = 6, .traced_lengths = {1201}};
  const auto attend = [](const Tensor& x) {
    const Tensor q = x.unflatten(1, {2, 3}).transpose(2, 3);  // [B, heads, T, 3]
    const Tensor k = q.slice(2, 0, -200);
    return torch::scaled_dot_product_attention(q, 2 * k, k + 1);
  };
  EXPECT_LT(OnnxError(attend, options), 1e-5);  // both sides round the exponents
  // One operator, which does not hold all weights.
  struct Empty : torch::nn::Module {
  } module;
  const auto operators = OnnxOperators(module, attend, options);
  EXPECT_EQ(std::count(operators.begin(), operators.end(), "MultiHeadAttention"), 1);
  EXPECT_EQ(std::count(operators.begin(), operators.end(), "Softmax"), 0);
}

TEST(MatrixRule, RotaryPositionsGoIntoTheWeights) {
  torch::manual_seed(3);
  torch::nn::Linear linear(torch::nn::LinearOptions(6, 24).bias(false));
  const std::function<Tensor(torch::nn::Linear&, const Tensor&)> forward =
      [](torch::nn::Linear& l, const Tensor& x) {  // x [B, 6, T]
        const Tensor qkv = l->forward(x.transpose(1, 2)).unflatten(-1, {3, 2, 4});
        const Tensor positions =
            (torch::ones_like(x.slice(0, 0, 1).slice(1, 0, 1)).cumsum(2) - 1).view({-1, 1});
        const Tensor angles = positions * torch::tensor({1.0f, 0.1f});
        const Tensor turns =
            torch::view_as_complex(torch::stack({angles.cos(), angles.sin()}, -1)).unsqueeze(1);
        const Tensor pairs = torch::view_as_complex(qkv.slice(2, 0, 2).unflatten(-1, {-1, 2}));
        const Tensor turned = torch::view_as_real(pairs * turns.unsqueeze(1)).flatten(-2);
        const auto heads = [](const Tensor& t, int part) { return t.select(2, part).transpose(1, 2); };
        return torch::scaled_dot_product_attention(heads(turned, 0), heads(turned, 1),
                                                   heads(qkv, 2));
      };
  EXPECT_LT(LayerError<torch::nn::Linear>(linear, forward, {.channels = 6}), kTolerance);
  const auto operators = OnnxOperators(
      *linear, [&](const Tensor& x) { return forward(linear, x); }, {.channels = 6});
  EXPECT_EQ(std::count(operators.begin(), operators.end(), "MatMul"), 3);  // both halves, values
  EXPECT_EQ(std::count(operators.begin(), operators.end(), "Split"), 1);   // of queries and keys
}

// A state of zeros whose batch size is the input's: [layers, B, width] for x [B, C, T].
Tensor ZeroState(const Tensor& x, std::int64_t layers, std::int64_t width) {
  return torch::zeros_like(x.select(1, 0).select(1, 0))
      .unsqueeze(0)
      .unsqueeze(-1)
      .expand({layers, -1, width});
}

TEST(RecurrentRule, LstmOfAllShapes) {
  torch::manual_seed(4);
  for (const bool both : {false, true}) {
    for (const int layers : {1, 2}) {
      for (const bool batch_first : {false, true}) {
        torch::nn::LSTM lstm(torch::nn::LSTMOptions(3, 5)
                                 .num_layers(layers)
                                 .bidirectional(both)
                                 .batch_first(batch_first)
                                 .bias(layers == 2));
        const std::int64_t states = layers * (both ? 2 : 1);
        const double error = LayerError<torch::nn::LSTM>(
            lstm,
            [=](torch::nn::LSTM& l, const Tensor& x) {
              const Tensor state = ZeroState(x, states, 5) + 0.1;
              const Tensor in = batch_first ? x.permute({0, 2, 1}) : x.permute({2, 0, 1});
              const auto [out, final_states] = l->forward(in, std::make_tuple(state, 2 * state));
              const auto& [h, c] = final_states;
              return out * (h.sum() + c.mean());
            },
            {.channels = 3});
        EXPECT_LT(error, 1e-5) << both << layers << batch_first;
      }
    }
  }
}

TEST(RecurrentRule, Gru) {
  torch::manual_seed(5);
  torch::nn::GRU gru(torch::nn::GRUOptions(3, 4).num_layers(2).bidirectional(true));
  const double error = LayerError<torch::nn::GRU>(
      gru,
      [](torch::nn::GRU& l, const Tensor& x) {
        return std::get<0>(l->forward(x.permute({2, 0, 1}), ZeroState(x, 4, 4) - 0.2));
      },
      {.channels = 3});
  EXPECT_LT(error, 1e-5);
}

}  // namespace
}  // namespace stemsmith::testing::layers_test
