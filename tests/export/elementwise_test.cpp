#include <gtest/gtest.h>

#include "tests/export/onnx_check.h"

namespace stemsmith::testing::elementwise_test {
namespace {

using torch::Tensor;

struct Case {
  const char* name;
  Tensor (*function)(const Tensor& x);
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

// Functions of a tensor [B, 2, T] of normal noise. Real results only: the graph's output is
// float32.
const Case kCases[] = {
    {"add", [](const Tensor& x) { return x + x.flip({1}); }},
    {"add_number", [](const Tensor& x) { return x + 0.25; }},
    {"add_alpha", [](const Tensor& x) { return torch::add(x, x.flip({1}), 0.3); }},
    {"sub_alpha", [](const Tensor& x) { return torch::sub(x, x.flip({1}), 0.3); }},
    {"rsub", [](const Tensor& x) { return 1.5 - x; }},
    {"mul_broadcast", [](const Tensor& x) { return x * x.mean(1, true); }},
    {"div", [](const Tensor& x) { return x / (x.abs() + 1.0); }},
    {"div_floor", [](const Tensor& x) { return torch::div(x, 0.3, "floor"); }},
    {"div_trunc", [](const Tensor& x) { return torch::div(x, 0.3, "trunc"); }},
    {"remainder", [](const Tensor& x) { return torch::remainder(x, 0.7); }},
    {"neg", [](const Tensor& x) { return -x; }},
    {"pow_two", [](const Tensor& x) { return x.pow(2); }},
    {"pow_half", [](const Tensor& x) { return x.abs().pow(0.5); }},
    {"pow_other", [](const Tensor& x) { return x.abs().pow(1.7); }},
    {"pow_number_base", [](const Tensor& x) { return torch::pow(2.0, x); }},
    {"square", [](const Tensor& x) { return torch::square(x); }},
    {"sqrt", [](const Tensor& x) { return torch::sqrt(x * x + 1e-8); }},
    {"rsqrt", [](const Tensor& x) { return torch::rsqrt(x * x + 0.1); }},
    {"reciprocal", [](const Tensor& x) { return torch::reciprocal(x.abs() + 0.5); }},
    {"exp", [](const Tensor& x) { return torch::exp(x); }},
    {"log", [](const Tensor& x) { return torch::log(x.abs() + 0.1); }},
    {"log1p", [](const Tensor& x) { return torch::log1p(x.abs()); }},
    {"log10", [](const Tensor& x) { return torch::log10(x.abs() + 0.1); }},
    {"log2", [](const Tensor& x) { return torch::log2(x.abs() + 0.1); }},
    {"expm1", [](const Tensor& x) { return torch::expm1(x); }},
    {"sin_cos", [](const Tensor& x) { return torch::sin(x) * torch::cos(2 * x); }},
    {"floor_ceil", [](const Tensor& x) { return torch::floor(x) + 3 * torch::ceil(x); }},
    {"sign_abs", [](const Tensor& x) { return torch::sign(x) * x.abs(); }},
    {"where", [](const Tensor& x) { return torch::where(x > 0.1, x, -2 * x); }},
    {"comparisons",
     [](const Tensor& x) {
       const Tensor both = torch::logical_and(x.le(0.5), x.ge(-0.5));
       return torch::where(torch::logical_or(both, torch::logical_not(x.lt(1.0))), x,
                           torch::zeros_like(x));
     }},
    {"masked_fill", [](const Tensor& x) { return x.masked_fill(x < 0, 0.125); }},
    {"maximum", [](const Tensor& x) { return torch::maximum(x, -0.5 * x); }},
    {"clamp", [](const Tensor& x) { return torch::clamp(x, -0.4, 0.6); }},
    {"clamp_min", [](const Tensor& x) { return torch::clamp_min(x, 0.2); }},
    {"relu", [](const Tensor& x) { return torch::relu(x); }},
    {"leaky_relu", [](const Tensor& x) { return torch::leaky_relu(x, 0.2); }},
    {"elu", [](const Tensor& x) { return torch::elu(x); }},
    {"prelu",
     [](const Tensor& x) {
       return torch::prelu(x, torch::tensor({0.1f, 0.3f}));
     }},
    {"sigmoid", [](const Tensor& x) { return torch::sigmoid(x); }},
    {"tanh", [](const Tensor& x) { return torch::tanh(x); }},
    {"silu", [](const Tensor& x) { return torch::silu(x); }},
    {"softplus", [](const Tensor& x) { return torch::softplus(x); }},
    {"gelu", [](const Tensor& x) { return torch::gelu(x); }},
    {"gelu_tanh", [](const Tensor& x) { return torch::gelu(x, "tanh"); }},
    {"glu", [](const Tensor& x) { return torch::glu(x, 1); }},
    {"softmax", [](const Tensor& x) { return torch::softmax(x, 1); }},
    {"log_softmax", [](const Tensor& x) { return torch::log_softmax(x, -1); }},
    {"dropout", [](const Tensor& x) { return torch::dropout(x, 0.5, /*train=*/false); }},
    {"double_constant", [](const Tensor& x) { return x * torch::tensor(0.1, torch::kFloat64); }},
    {"mean",
     [](const Tensor& x) {
       return x - x.mean({1, 2}, true);
     }},
    {"mean_all", [](const Tensor& x) { return x - x.mean(); }},
    {"sum", [](const Tensor& x) { return x.sum(1); }},
    {"std",
     [](const Tensor& x) {
       return x / (x.std({1, 2}, true, true) + 1e-5);
     }},
    {"var_biased", [](const Tensor& x) { return x + x.var(c10::IntArrayRef{-1}, false, true); }},
    {"std_all", [](const Tensor& x) { return x / x.std(); }},
    {"amax",
     [](const Tensor& x) {
       return x / x.abs().amax({1, 2}, true);
     }},
    {"norm", [](const Tensor& x) { return x / torch::norm(x, 2, {1}, true); }},
    {"cumsum", [](const Tensor& x) { return x.cumsum(-1); }},
    {"in_place", [](const Tensor& x) { return (x * 2).add_(1).relu_().mul_(0.5); }},
};

class ElementwiseRule : public ::testing::TestWithParam<Case> {};

TEST_P(ElementwiseRule, AgreesWithTorchAtOtherSizes) {
  torch::manual_seed(1);
  EXPECT_LT(OnnxError(GetParam().function), 3e-6);
}

INSTANTIATE_TEST_SUITE_P(Onnx, ElementwiseRule, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stemsmith::testing::elementwise_test
