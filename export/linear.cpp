#include "export/linear.h"

namespace stemsmith {
namespace {

// What gave `x`, where EmitLinear did.
std::optional<KnownLinear> LinearBehind(const GraphBuilder& b, const std::string& x) {
  const OnnxNode* node = b.Producer(x);
  torch::Tensor bias;
  if (node != nullptr && node->op == "Add") {
    bias = b.ConstantOf(node->inputs[1]);
    if (!bias.defined() || bias.dim() != 1) return std::nullopt;
    node = b.Producer(node->inputs[0]);
  }
  if (node == nullptr || node->op != "MatMul") return std::nullopt;
  const torch::Tensor weight = b.ConstantOf(node->inputs[1]);
  if (!weight.defined() || weight.dim() != 2) return std::nullopt;
  if (bias.defined() && bias.size(0) != weight.size(1)) return std::nullopt;
  return KnownLinear{node->inputs[0], weight, bias};
}

}  // namespace

std::string EmitLinear(GraphBuilder& b, const KnownLinear& linear) {
  const std::string product = b.Emit("MatMul", {linear.input, b.Tensor(linear.weight)});
  return linear.bias.defined() ? b.Emit("Add", {product, b.Tensor(linear.bias)}) : product;
}

std::optional<std::vector<std::string>> LinearPieces(GraphBuilder& b, const std::string& x,
                                                     const std::vector<std::int64_t>& sizes) {
  const auto whole = LinearBehind(b, x);
  if (!whole) return std::nullopt;
  std::vector<std::string> pieces;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    KnownLinear piece{whole->input, whole->weight.slice(1, begin, begin + size), {}};
    if (whole->bias.defined()) piece.bias = whole->bias.slice(0, begin, begin + size);
    pieces.push_back(EmitLinear(b, piece));
    begin += size;
  }
  return pieces;
}

std::optional<std::string> ScaledLinear(GraphBuilder& b, const std::string& x,
                                        const torch::Tensor& factors) {
  auto linear = LinearBehind(b, x);
  if (!linear || factors.dim() != 1 || factors.size(0) != linear->weight.size(1))
    return std::nullopt;
  linear->weight = linear->weight * factors;
  if (linear->bias.defined()) linear->bias = linear->bias * factors;
  return EmitLinear(b, *linear);
}

}  // namespace stemsmith
