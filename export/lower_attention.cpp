// Attention.
#include <cmath>

#include "export/lowering.h"
#include "export/rotary.h"

namespace stemsmith {
namespace {

// With a mask, or not over heads: products whose weights are held.
std::string AttendPlainly(Call& call, double scale) {
  GraphBuilder& b = call.b();
  const LoweredTensor key = call.Tensor("key");
  std::vector<std::int64_t> order;
  for (int d = 0; d < key.rank(); ++d) order.push_back(d);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  const std::string scaled = b.Emit("Mul", {call.Tensor("query").name, b.Number(scale)});
  std::string scores = b.Emit("MatMul", {scaled, b.Transpose(key.name, order)});
  if (call.Has("attn_mask")) {
    const LoweredTensor mask = call.Tensor("attn_mask");
    if (mask.type == torch::kBool) call.Unsupported("its mask is boolean");
    scores = b.Emit("Add", {scores, mask.name});
  }
  const std::string weights = b.Emit("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
  return b.Emit("MatMul", {weights, call.Tensor("value").name});
}

void Attention(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor query = call.Tensor("query"), key = call.Tensor("key"),
                      value = call.Tensor("value");
  if (call.Bool("is_causal", false) || call.Double("dropout_p", 0.0) != 0.0) {
    call.Unsupported("it is causal or has dropout");
  }
  const std::int64_t width = query.shape.back();
  if (width == TracedTensor::kVaries && !call.Has("scale")) {
    call.Unsupported("the width of its heads varies");
  }
  const double scale = call.Double("scale", 1.0 / std::sqrt(static_cast<double>(width)));
  const bool over_heads = query.rank() == 4 && key.rank() == 4 && value.rank() == 4 &&
                          query.shape[1] != TracedTensor::kVaries &&
                          query.shape[1] == key.shape[1] && key.shape[1] == value.shape[1] &&
                          width != TracedTensor::kVaries && value.shape[3] != TracedTensor::kVaries;
  if (!over_heads || call.Has("attn_mask")) return call.Return(AttendPlainly(call, scale));

  // One operator, of which runtimes hold the weights of some queries at a time. Its arguments are
  // [R, N, heads · width].
  const std::vector<std::int64_t> order = {0, 2, 1, 3};
  const std::int64_t heads = query.shape[1];
  const auto joined = [&](const std::string& by_heads, std::int64_t head_width) {
    return b.Reshape(by_heads, {0, 0, heads * head_width});
  };
  auto queries = TurnedPart(b, query.name), keys = TurnedPart(b, key.name);
  if (!queries || !keys) {
    queries = b.Transpose(query.name, order);
    keys = b.Transpose(key.name, order);
  }
  const std::string attended = b.Emit(
      "MultiHeadAttention",
      {joined(*queries, width), joined(*keys, width),
       joined(b.Transpose(value.name, order), value.shape[3])},
      {{"num_heads", heads}, {"scale", static_cast<float>(scale)}});
  call.Return(b.Transpose(b.Reshape(attended, {0, 0, heads, value.shape[3]}), order));
}

}  // namespace

const RuleTable& AttentionRules() {
  static const RuleTable table = {{"aten::scaled_dot_product_attention", Attention}};
  return table;
}

}  // namespace stemsmith
