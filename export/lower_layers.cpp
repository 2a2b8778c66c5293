// Convolution, pooling, normalisation, matrix products.
#include <algorithm>
#include <cmath>

#include "export/convolution.h"
#include "export/gating.h"
#include "export/linear.h"
#include "export/lowering.h"

namespace stemsmith {
namespace {

std::vector<std::int64_t> Twice(const std::vector<std::int64_t>& pads) {
  std::vector<std::int64_t> both = pads;
  both.insert(both.end(), pads.begin(), pads.end());
  return both;
}

// One number stands for all spatial dimensions.
std::vector<std::int64_t> PerDimension(std::vector<std::int64_t> values, int dims) {
  if (values.size() == 1) values.resize(static_cast<std::size_t>(dims), values.front());
  return values;
}

void ConvolveAs(Call& call, bool transposed, std::vector<std::int64_t> pads) {
  Convolution c{.input = call.Tensor("input"), .weight = call.Tensor("weight")};
  const int spatial = c.weight.rank() - 2;
  if (c.input.rank() != c.weight.rank()) call.Unsupported("its input has no batch dimension");
  if (call.Has("bias")) c.bias = call.Tensor("bias").name;
  c.strides = PerDimension(call.Ints("stride"), spatial);
  c.dilations = PerDimension(call.Ints("dilation"), spatial);
  c.pads = std::move(pads);
  c.groups = call.Int("groups", 1);
  c.transposed = transposed;
  if (transposed && call.Has("output_padding"))
    c.output_padding = PerDimension(call.Ints("output_padding"), spatial);
  call.Return(Convolve(call.b(), c));
}

void ConvolveWithPadding(Call& call, bool transposed) {
  const int spatial = call.Tensor("weight").rank() - 2;
  ConvolveAs(call, transposed, Twice(PerDimension(call.Ints("padding"), spatial)));
}

void AnyConvolution(Call& call) { ConvolveWithPadding(call, call.Bool("transposed", false)); }
void ConvTranspose(Call& call) { ConvolveWithPadding(call, true); }

// padding="same" or "valid"; torch puts the odd frame at the end.
void ConvolutionMode(Call& call) {
  const LoweredTensor weight = call.Tensor("weight");
  const int spatial = weight.rank() - 2;
  std::vector<std::int64_t> pads(static_cast<std::size_t>(2 * spatial), 0);
  const std::vector<std::int64_t> dilation = PerDimension(call.Ints("dilation"), spatial);
  if (call.String("padding", "valid") == "same") {
    for (int d = 0; d < spatial; ++d) {
      const auto i = static_cast<std::size_t>(d);
      const std::int64_t total = dilation[i] * (weight.shape[i + 2] - 1);
      pads[i] = total / 2;
      pads[i + static_cast<std::size_t>(spatial)] = total - total / 2;
    }
  }
  ConvolveAs(call, false, pads);
}

void Conv(Call& call) {
  if (call.Constant("padding").isString()) return ConvolutionMode(call);
  ConvolveWithPadding(call, false);
}

void Pool(Call& call, const char* op) {
  const LoweredTensor x = call.Tensor("self");
  const int spatial = x.rank() - 2;
  const auto kernel = PerDimension(call.Ints("kernel_size"), spatial);
  std::vector<std::int64_t> stride = PerDimension(call.Ints("stride"), spatial);
  if (stride.empty()) stride = kernel;
  OnnxAttributes attributes = {{"kernel_shape", kernel},
                               {"strides", stride},
                               {"pads", Twice(PerDimension(call.Ints("padding"), spatial))},
                               {"ceil_mode", std::int64_t{call.Bool("ceil_mode", false)}}};
  if (std::string(op) == "MaxPool") {
    attributes["dilations"] = PerDimension(call.Ints("dilation"), spatial);
  } else {
    attributes["count_include_pad"] = std::int64_t{call.Bool("count_include_pad", true)};
    if (call.Has("divisor_override")) call.Unsupported("divisor_override");
  }
  call.Return(call.b().Emit(op, {x.name}, attributes));
}
void MaxPool(Call& call) { Pool(call, "MaxPool"); }
void AveragePool(Call& call) { Pool(call, "AveragePool"); }

// An optional weight per channel; `fallback` where there is none.
torch::Tensor ChannelWeight(Call& call, const char* name, std::int64_t channels, double fallback) {
  return call.Has(name) ? call.ConstantTensor(name)
                        : torch::full({channels}, fallback, torch::kFloat32);
}

void BatchNorm(Call& call) {
  GraphBuilder& b = call.b();
  if (call.Bool("training", false) || !call.Has("running_mean")) {
    call.Unsupported("it uses the batch's statistics");
  }
  const LoweredTensor x = call.Tensor("input");
  const std::int64_t channels = x.shape.at(1);
  const float epsilon = static_cast<float>(call.Double("eps", 1e-5));
  call.Return(b.Emit(
      "BatchNormalization",
      {x.name, b.Tensor(ChannelWeight(call, "weight", channels, 1.0)),
       b.Tensor(ChannelWeight(call, "bias", channels, 0.0)),
       b.Tensor(call.ConstantTensor("running_mean")), b.Tensor(call.ConstantTensor("running_var"))},
      {{"epsilon", epsilon}}));
}

// x less its mean over `dims`, of unit deviation, times a weight and plus a bias where there are
// such (else ""). Deviation and weight are joined first: one pass over the elements for both.
std::string Standardized(GraphBuilder& b, const std::string& x,
                         const std::vector<std::int64_t>& dims, float epsilon,
                         const std::string& weight, const std::string& bias) {
  const std::string centred = b.Emit("Sub", {x, b.ReduceMean(x, dims, /*keep=*/true)});
  const std::string variance = b.ReduceMean(b.Emit("Mul", {centred, centred}), dims, /*keep=*/true);
  const std::string deviation = b.Emit("Sqrt", {b.Emit("Add", {variance, b.Number(epsilon)})});
  std::string factor = b.Emit("Reciprocal", {deviation});
  if (!weight.empty()) factor = b.Emit("Mul", {factor, weight});
  const std::string scaled = b.Emit("Mul", {centred, factor});
  return bias.empty() ? scaled : b.Emit("Add", {scaled, bias});
}

// One group of [B, C, N] where that is [B, N, C] turned: nothing needs to be turned.
std::optional<std::string> NormalizeTurned(Call& call, const LoweredTensor& x, float epsilon) {
  GraphBuilder& b = call.b();
  const OnnxNode* turned = b.Producer(x.name);
  const std::vector<std::int64_t> order = {0, 2, 1};
  if (turned == nullptr || turned->op != "Transpose" ||
      turned->attributes.at("perm") != OnnxAttribute(order))
    return std::nullopt;
  const std::string source = turned->inputs[0];
  const auto weight = [&](const char* name) {
    return call.Has(name) ? b.Tensor(call.ConstantTensor(name)) : "";
  };
  return b.Transpose(Standardized(b, source, {1, 2}, epsilon, weight("weight"), weight("bias")),
                     order);
}

// Normalises over each group's elements, then scales and shifts per channel (dimension 1).
void NormalizeGroups(Call& call, std::int64_t groups) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("input");
  const float epsilon = static_cast<float>(call.Double("eps", 1e-5));
  // ONNX Runtime's InstanceNormalization adds the elements up one by one, which costs digits where
  // there are many.
  constexpr std::int64_t kManyElements = 1 << 16;
  std::int64_t elements = x.shape.at(1) / groups;
  for (std::size_t d = 2; d < x.shape.size(); ++d) {
    const bool known = x.shape[d] != TracedTensor::kVaries;
    elements = known ? std::min(elements * x.shape[d], kManyElements) : kManyElements;
  }
  // A weight per channel, beside groups of channels and their elements, or beside x.
  const auto weight = [&](const char* name, bool grouped) -> std::string {
    if (!call.Has(name)) return "";
    std::vector<std::int64_t> shape(static_cast<std::size_t>(x.rank() - 1), 1);
    shape[0] = x.shape.at(1);
    if (grouped) shape = {groups, x.shape.at(1) / groups, 1};
    return b.Tensor(call.ConstantTensor(name).reshape(shape));
  };
  if (groups == 1 && elements >= kManyElements && x.rank() == 3) {
    if (const auto turned = NormalizeTurned(call, x, epsilon)) return call.Return(*turned);
  }
  const std::string shape = b.Emit("Shape", {x.name});
  std::string result;
  if (elements < kManyElements) {
    result = b.Emit("InstanceNormalization",
                    {b.Reshape(x.name, {0, groups, -1}), b.Tensor(torch::ones({groups})),
                     b.Tensor(torch::zeros({groups}))},
                    {{"epsilon", epsilon}});
    result = b.Emit("Reshape", {result, shape});
    if (call.Has("weight")) result = b.Emit("Mul", {result, weight("weight", false)});
    if (call.Has("bias")) result = b.Emit("Add", {result, weight("bias", false)});
  } else {
    const std::string grouped = b.Reshape(x.name, {0, groups, x.shape.at(1) / groups, -1});
    result =
        Standardized(b, grouped, {2, 3}, epsilon, weight("weight", true), weight("bias", true));
    result = b.Emit("Reshape", {result, shape});
  }
  if (groups == 1 && call.Has("weight") && call.Has("bias")) {
    RememberProjection(b, result, x.name, x.shape, call.ConstantTensor("weight"),
                       call.ConstantTensor("bias"), epsilon);
  }
  call.Return(result);
}

void GroupNorm(Call& call) { NormalizeGroups(call, call.Int("num_groups")); }

void InstanceNorm(Call& call) {
  if (!call.Bool("use_input_stats", true)) call.Unsupported("it uses running statistics");
  NormalizeGroups(call, call.Tensor("input").shape.at(1));
}

void LayerNorm(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("input");
  const std::vector<std::int64_t> shape = call.Ints("normalized_shape");
  const float epsilon = static_cast<float>(call.Double("eps", 1e-5));
  std::vector<std::string> inputs = {
      x.name, call.Has("weight") ? call.Tensor("weight").name : b.Tensor(torch::ones(shape))};
  if (call.Has("bias")) inputs.push_back(call.Tensor("bias").name);
  call.Return(b.Emit("LayerNormalization", inputs,
                     {{"axis", -static_cast<std::int64_t>(shape.size())}, {"epsilon", epsilon}}));
}

void Linear(Call& call) {
  GraphBuilder& b = call.b();
  if (call.IsConstant("weight") && (!call.Has("bias") || call.IsConstant("bias"))) {
    KnownLinear linear{call.Tensor("input").name, call.ConstantTensor("weight").t(), {}};
    if (call.Has("bias")) linear.bias = call.ConstantTensor("bias");
    return call.Return(EmitLinear(b, linear));
  }
  const std::string weight = b.Transpose(call.Tensor("weight").name, {1, 0});
  std::string result = b.Emit("MatMul", {call.Tensor("input").name, weight});
  if (call.Has("bias")) result = b.Emit("Add", {result, call.Tensor("bias").name});
  call.Return(result);
}

void MatMulOf(Call& call, const char* left, const char* right) {
  const LoweredTensor a = call.Tensor(left), c = call.Tensor(right);
  if (a.complex() || c.complex()) call.Unsupported("its argument is complex");
  call.Return(call.b().Emit("MatMul", {a.name, c.name}));
}
void MatMul(Call& call) { MatMulOf(call, "self", "other"); }
void BatchMatMul(Call& call) { MatMulOf(call, "self", "mat2"); }

void AddMatMul(Call& call, const char* left, const char* right) {
  if (call.Double("alpha", 1.0) != 1.0 || call.Double("beta", 1.0) != 1.0) {
    call.Unsupported("alpha or beta is not 1");
  }
  const std::string product =
      call.b().Emit("MatMul", {call.Tensor(left).name, call.Tensor(right).name});
  call.Return(call.b().Emit("Add", {product, call.Tensor("self").name}));
}
void AddMm(Call& call) { AddMatMul(call, "mat1", "mat2"); }
void BatchAddMm(Call& call) { AddMatMul(call, "batch1", "batch2"); }

void Einsum(Call& call) {
  std::vector<std::string> inputs;
  for (const LoweredTensor& tensor : call.Tensors("tensors")) {
    if (tensor.complex()) call.Unsupported("its argument is complex");
    inputs.push_back(tensor.name);
  }
  call.Return(call.b().Emit("Einsum", inputs, {{"equation", call.String("equation", "")}}));
}

void Embedding(Call& call) {
  call.Return(call.b().Emit("Gather", {call.Tensor("weight").name, call.Tensor("indices").name}));
}

}  // namespace

const RuleTable& LayerRules() {
  static const RuleTable table = {
      {"aten::_convolution", AnyConvolution},
      {"aten::convolution", AnyConvolution},
      {"aten::_convolution_mode", ConvolutionMode},
      {"aten::conv1d", Conv},
      {"aten::conv2d", Conv},
      {"aten::conv_transpose1d", ConvTranspose},
      {"aten::conv_transpose2d", ConvTranspose},
      {"aten::max_pool1d", MaxPool},
      {"aten::max_pool2d", MaxPool},
      {"aten::avg_pool1d", AveragePool},
      {"aten::avg_pool2d", AveragePool},
      {"aten::batch_norm", BatchNorm},
      {"aten::group_norm", GroupNorm},
      {"aten::instance_norm", InstanceNorm},
      {"aten::layer_norm", LayerNorm},
      {"aten::linear", Linear},
      {"aten::matmul", MatMul},
      {"aten::mm", BatchMatMul},
      {"aten::bmm", BatchMatMul},
      {"aten::addmm", AddMm},
      {"aten::baddbmm", BatchAddMm},
      {"aten::einsum", Einsum},
      {"aten::embedding", Embedding},
  };
  return table;
}

}  // namespace stemsmith
