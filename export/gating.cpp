#include "export/gating.h"

namespace stemsmith {
namespace {

// Narrower results are not worth the detour over the moments of the input.
constexpr std::int64_t kWiderBy = 2;

std::string Mean(GraphBuilder& b, const std::string& x, std::int64_t dim) {
  return b.ReduceMean(x, {dim}, /*keep=*/true);
}

// The normalised projection's input such that one convolution is all that is left to do: scaled to
// unit deviation, with two more channels, [B, hidden + 2, T].
//
// With m and S the mean and covariance of h over time, the projection y = W h + b has the means
// q = W m + b per channel, the mean µ = Σ_c q_c / C and the variance
//   σ² = (Σ_ij S_ij (WᵀW)_ij + Σ_c (q_c - µ)²) / C,
// and its normalisation w (y - µ) / σ + v is linear in h / σ, 1 / σ and µ / σ.
std::string Whitened(GraphBuilder& b, const NormalizedProjection& p) {
  const std::int64_t channels = p.matrix.size(0);
  const torch::Tensor matrix = p.matrix.to(torch::kFloat64);
  const std::string mean = Mean(b, p.input, 2);  // [B, hidden, 1]
  const std::string centred = b.Emit("Sub", {p.input, mean});
  std::string products =
      b.Emit("MatMul", {centred, b.Transpose(centred, {0, 2, 1})});  // [B, hidden, hidden]
  torch::Tensor gram = matrix.t().matmul(matrix) / static_cast<double>(channels);
  LoweredInt steps = p.steps;
  if (p.steps == TracedTensor::kVaries) {
    steps = LoweredInt(b.Emit("Gather", {b.Emit("Shape", {p.input}), b.Ints({2})}));
    products = b.Emit("Div", {products, b.Cast(steps.name, torch::kInt64, torch::kFloat32)});
  } else {
    gram /= static_cast<double>(p.steps);
  }
  const std::string spread =
      b.ReduceSum(b.Emit("Mul", {products, b.Tensor(gram.to(torch::kFloat32))}), {1, 2},
                  /*keep=*/true);  // [B, 1, 1]
  const std::string levels = b.Emit("Add", {b.Emit("MatMul", {b.Tensor(p.matrix), mean}),
                                            b.Tensor(p.base.unsqueeze(1))});  // [B, C, 1]
  const std::string level = Mean(b, levels, 1);
  const std::string apart = b.Emit("Sub", {levels, level});
  const std::string variance = b.Emit("Add", {spread, Mean(b, b.Emit("Mul", {apart, apart}), 1)});
  const std::string scale =
      b.Emit("Reciprocal", {b.Emit("Sqrt", {b.Emit("Add", {variance, b.Number(p.epsilon)})})});

  const std::string along = b.IntList({1, 1, steps});
  return b.Concat({b.Emit("Mul", {p.input, scale}), b.Emit("Expand", {scale, along}),
                   b.Emit("Expand", {b.Emit("Mul", {level, scale}), along})},
                  1);
}

std::string Gate(GraphBuilder& b, const OnnxNode& value, const std::string& gate) {
  const std::string result = b.Emit("Mul", {b.Emit("Conv", value.inputs, value.attributes), gate});
  b.notes().gated.emplace(result, GatedNote{value, gate});
  return result;
}

// A convolution of `input` whose first half of channels is gated by the second.
std::string GatedConvolution(GraphBuilder& b, const std::string& input, const torch::Tensor& weight,
                             const torch::Tensor& bias, const OnnxAttributes& attributes) {
  const auto weights = weight.chunk(2, 0), biases = bias.chunk(2, 0);
  const std::string gate = b.Emit(
      "Sigmoid", {b.Emit("Conv", {input, b.Tensor(weights[1]), b.Tensor(biases[1])}, attributes)});
  return Gate(b, {"Conv", {input, b.Tensor(weights[0]), b.Tensor(biases[0])}, {}, attributes},
              gate);
}

}  // namespace

void RememberProjection(GraphBuilder& b, const std::string& normalized, const std::string& input,
                        const std::vector<std::int64_t>& shape, const torch::Tensor& weight,
                        const torch::Tensor& bias, double epsilon) {
  const OnnxNode* conv = b.Producer(input);
  if (conv == nullptr || conv->op != "Conv" || shape.size() != 3) return;
  const torch::Tensor kernel = b.ConstantOf(conv->inputs[1]);
  if (!kernel.defined() || kernel.size(2) != 1) return;
  const auto is = [&](const char* name, const OnnxAttribute& value) {
    return conv->attributes.at(name) == value;
  };
  if (!is("group", std::int64_t{1}) || !is("strides", std::vector<std::int64_t>{1}) ||
      !is("pads", std::vector<std::int64_t>{0, 0}) || kernel.size(0) < kWiderBy * kernel.size(1))
    return;
  torch::Tensor base = torch::zeros({kernel.size(0)});
  if (conv->inputs.size() > 2) base = b.ConstantOf(conv->inputs[2]);
  if (!base.defined()) return;
  b.notes().projections.emplace(
      normalized, NormalizedProjection{conv->inputs[0], kernel.squeeze(2), base, weight, bias,
                                       epsilon, shape[2]});
}

std::optional<std::string> GatedUnit(GraphBuilder& b, const std::string& x) {
  if (const auto known = b.notes().projections.find(x); known != b.notes().projections.end()) {
    const NormalizedProjection p = known->second;
    const torch::Tensor scale = p.weight.unsqueeze(1);
    const torch::Tensor weight =
        torch::cat({scale * p.matrix, scale * p.base.unsqueeze(1), -scale}, 1).unsqueeze(2);
    const std::vector<std::int64_t> one = {1};
    return GatedConvolution(b, Whitened(b, p), weight, p.bias,
                            {{"strides", one},
                             {"dilations", one},
                             {"pads", std::vector<std::int64_t>{0, 0}},
                             {"group", std::int64_t{1}},
                             {"kernel_shape", one}});
  }
  const OnnxNode* conv = b.Producer(x);
  if (conv == nullptr || conv->op != "Conv" || conv->inputs.size() < 3 ||
      conv->attributes.at("group") != OnnxAttribute(std::int64_t{1}))
    return std::nullopt;
  const torch::Tensor weight = b.ConstantOf(conv->inputs[1]), bias = b.ConstantOf(conv->inputs[2]);
  if (!weight.defined() || !bias.defined()) return std::nullopt;
  return GatedConvolution(b, std::string(conv->inputs[0]), weight, bias,
                          OnnxAttributes(conv->attributes));
}

std::optional<std::string> ScaledUnit(GraphBuilder& b, const std::string& x,
                                      const torch::Tensor& factors) {
  const auto known = b.notes().gated.find(x);
  if (known == b.notes().gated.end()) return std::nullopt;
  GatedNote note = known->second;
  const torch::Tensor weight = b.ConstantOf(note.value.inputs[1]);
  const torch::Tensor bias = b.ConstantOf(note.value.inputs[2]);
  // One factor per channel, [C, 1] beside [B, C, T].
  if (factors.dim() != weight.dim() - 1 || factors.size(0) != weight.size(0) ||
      factors.numel() != weight.size(0))
    return std::nullopt;
  note.value.inputs[1] = b.Tensor(weight * factors.unsqueeze(1).expand_as(weight));
  note.value.inputs[2] = b.Tensor(bias * factors.flatten());
  return Gate(b, note.value, note.gate);
}

}  // namespace stemsmith
