#include <gtest/gtest.h>

#include "tests/export/onnx_check.h"

namespace stemsmith::testing::shape_test {
namespace {

namespace F = torch::nn::functional;
using torch::Tensor;
using torch::indexing::Slice;

struct Case {
  const char* name;
  Tensor (*function)(const Tensor& x);
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

// Functions of a tensor [B, 6, T].
const Case kCases[] = {
    {"flatten", [](const Tensor& x) { return x.flatten(0, 1); }},
    {"flatten_two_varying", [](const Tensor& x) { return x.flatten(1, 2).unsqueeze(1); }},
    {"unflatten",
     [](const Tensor& x) {
       return x.unflatten(1, {2, 3});
     }},
    {"unflatten_unknown",
     [](const Tensor& x) {
       return x.flatten(0, 1).unflatten(0, {-1, 6});
     }},
    {"view",
     [](const Tensor& x) {
       return x.view({-1, 6, 4, x.sizes()[2] / 4}).sum(3);
     }},
    {"permute",
     [](const Tensor& x) {
       return x.permute({2, 0, 1});
     }},
    {"transpose", [](const Tensor& x) { return x.transpose(1, -1); }},
    {"movedim", [](const Tensor& x) { return x.movedim(2, 0); }},
    {"unsqueeze", [](const Tensor& x) { return x.unsqueeze(-1); }},
    {"squeeze",
     [](const Tensor& x) { return x.unsqueeze(1).unsqueeze(-1).squeeze(1).squeeze(-1); }},
    {"slice", [](const Tensor& x) { return x.slice(2, 3, -4); }},
    {"slice_step",
     [](const Tensor& x) {
       return x.index({Slice(), Slice(1, 6, 2), Slice(0, 40, 3)});
     }},
    {"slice_tail", [](const Tensor& x) { return x.slice(2, -5); }},
    {"narrow", [](const Tensor& x) { return x.narrow(2, 4, 30); }},
    {"select", [](const Tensor& x) { return x.select(1, -2); }},
    {"index_select",
     [](const Tensor& x) {
       return x.index_select(1, torch::tensor({3, 1}));
     }},
    {"flip",
     [](const Tensor& x) {
       return x.flip({1, 2});
     }},
    {"unfold", [](const Tensor& x) { return x.unfold(2, 16, 16); }},
    {"unfold_with_a_rest",
     [](const Tensor& x) {
       return torch::constant_pad_nd(x, {0, 8}).unfold(-1, 10, 10);
     }},
    {"unfold_in_the_middle", [](const Tensor& x) { return x.unfold(1, 2, 2); }},
    {"chunk",
     [](const Tensor& x) {
       const auto p = x.chunk(3, 1);
       return p[2] * p[0] - p[1];
     }},
    {"chunk_uneven", [](const Tensor& x) { return x.chunk(4, 1)[1].contiguous() * 2; }},
    {"split", [](const Tensor& x) { return x.split(4, 1)[1]; }},
    {"tensor_split_of_time",  // of any length
     [](const Tensor& x) {
       const auto parts = x.tensor_split(4, 2);
       return torch::cat({parts[3], parts[0] * 2, parts[2], parts[1] * 3}, 2);
     }},
    {"split_sizes",
     [](const Tensor& x) {
       return x.split_with_sizes({1, 5}, 1)[1];
     }},
    {"unbind",
     [](const Tensor& x) {
       const auto p = x.unbind(1);
       return p[5] - p[0];
     }},
    {"cat",
     [](const Tensor& x) {
       return torch::cat({x, x.slice(2, 0, 7)}, -1);
     }},
    {"stack",
     [](const Tensor& x) {
       return torch::stack({x, 2 * x, -x}, -1);
     }},
    {"expand",
     [](const Tensor& x) {
       return x.unsqueeze(1).expand({-1, 3, -1, -1});
     }},
    {"expand_as", [](const Tensor& x) { return x.mean(1, true).expand_as(x); }},
    {"repeat",
     [](const Tensor& x) {
       return x.repeat({2, 1, 1, 3});
     }},
    {"zeros_like", [](const Tensor& x) { return torch::zeros_like(x) + 1 + x; }},
    {"ones_like", [](const Tensor& x) { return torch::ones_like(x) + x; }},
    {"new_zeros",
     [](const Tensor& x) {
       return torch::cat({x.new_zeros({2, 3}).sum() + x, x}, 1);
     }},
    {"pad_constant",
     [](const Tensor& x) {
       return F::pad(x, F::PadFuncOptions({3, 1}).value(0.5));
     }},
    {"pad_two",
     [](const Tensor& x) {
       return torch::constant_pad_nd(x, {1, 2, 3, 0});
     }},
    {"pad_crop",
     [](const Tensor& x) {
       return torch::constant_pad_nd(x, {-2, 3});
     }},
    {"pad_reflect",
     [](const Tensor& x) {
       return F::pad(x, F::PadFuncOptions({5, 4}).mode(torch::kReflect));
     }},
    {"pad_replicate",
     [](const Tensor& x) {
       return F::pad(x, F::PadFuncOptions({5, 4}).mode(torch::kReplicate));
     }},
    {"replication_pad2d",
     [](const Tensor& x) {
       return torch::replication_pad2d(x.unflatten(1, {2, 3}), {0, 1, 2, 0});
     }},
    {"where_is_constant",
     [](const Tensor& x) { return x * torch::linspace(0, 1, 6).unsqueeze(1); }},
};

class ShapeRule : public ::testing::TestWithParam<Case> {};

TEST_P(ShapeRule, AgreesWithTorchAtOtherSizes) {
  torch::manual_seed(2);
  // The view's size is plain arithmetic on a length, which a trace keeps for ever: fixed time.
  const bool fixed = std::string(GetParam().name) == "view";
  OnnxCheckOptions options{.channels = 6};
  if (fixed) options.traced_lengths = {48};
  EXPECT_LT(OnnxError(GetParam().function, options), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Onnx, ShapeRule, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stemsmith::testing::shape_test
