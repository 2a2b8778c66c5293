#include "export/linear.h"

namespace stemsmith {
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

std::string EmitLinear(GraphBuilder& b, KnownLinear linear) {
  if (const OnnxNode* scaled = b.Producer(linear.input); scaled != nullptr && scaled->op == "Mul") {
    const torch::Tensor factors = b.ConstantOf(scaled->inputs[1]);
    if (factors.defined() && factors.dim() == 1 && factors.size(0) == linear.weight.size(0)) {
      linear.input = scaled->inputs[0];
      linear.weight = factors.unsqueeze(1) * linear.weight;
    }
  }
  const std::string product = b.Emit("MatMul", {linear.input, b.Tensor(linear.weight)});
  return linear.bias.defined() ? b.Emit("Add", {product, b.Tensor(linear.bias)}) : product;
}

std::optional<std::string> LinearPiece(GraphBuilder& b, const std::string& x, std::int64_t begin,
                                       std::int64_t size) {
  const auto whole = LinearBehind(b, x);
  if (!whole) return std::nullopt;
  KnownLinear piece{whole->input, whole->weight.slice(1, begin, begin + size), {}};
  if (whole->bias.defined()) piece.bias = whole->bias.slice(0, begin, begin + size);
  return EmitLinear(b, piece);
}

std::optional<std::vector<std::string>> LinearPieces(GraphBuilder& b, const std::string& x,
                                                     const std::vector<std::int64_t>& sizes) {
  std::vector<std::string> pieces;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    const auto piece = LinearPiece(b, x, begin, size);
    if (!piece) return std::nullopt;
    pieces.push_back(*piece);
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
