#include "export/rotary.h"

#include <algorithm>

#include "export/linear.h"

namespace stemsmith {
namespace {

// What is reshaped to `x`, or is taken of it from the first element on.
std::string Source(GraphBuilder& b, std::string x) {
  const std::string from_first = b.Ints({0}), each = b.Ints({1});
  const OnnxNode* node = b.Producer(x);
  while (node != nullptr && (node->op == "Reshape" || node->op == "Slice")) {
    if (node->op == "Slice" && (node->inputs[1] != from_first || node->inputs[4] != each))
      return "";
    x = node->inputs[0];
    node = b.Producer(x);
  }
  return x;
}

bool IsKnown(const LoweredTensor& tensor, std::size_t from) {
  return std::find(tensor.shape.begin() + static_cast<std::ptrdiff_t>(from), tensor.shape.end(),
                   TracedTensor::kVaries) == tensor.shape.end();
}

// All parts at once: fewer nodes and wider products.
std::vector<std::string> TurnedParts(GraphBuilder& b, const TurnedLinear& turned) {
  const std::int64_t count = turned.weight.size(1), heads = count * turned.weight.size(2),
                     pairs = turned.weight.size(3);
  // The first and the second numbers of all pairs.
  const auto half = [&](std::int64_t which) {
    const KnownLinear linear{turned.input, turned.weight.select(-1, which).flatten(1), {}};
    return b.Reshape(EmitLinear(b, linear), {0, 0, heads, pairs});
  };
  const std::string first = half(0), second = half(1);
  const auto times = [&](const std::string& left, const std::string& right) {
    return b.Emit("Mul", {left, right});
  };
  const std::string real =
      b.Emit("Sub", {times(first, turned.cosines), times(second, turned.sines)});
  const std::string imaginary =
      b.Emit("Add", {times(first, turned.sines), times(second, turned.cosines)});
  return b.Split(b.Concat({real, imaginary}, -1), 2, static_cast<std::size_t>(count));
}

}  // namespace

void RememberTurned(Call& call, const std::string& result) {
  GraphBuilder& b = call.b();
  const auto is_number = [&](const char* name) {
    return call.IsConstant(name) && !call.Constant(name).isTensor();
  };
  if (is_number("self") || is_number("other")) return;
  const LoweredTensor x = call.Tensor("self"), turns = call.Tensor("other");
  // [R, N, parts, heads, pairs] and [N, 1, 1, pairs].
  if (x.rank() != 5 || turns.rank() != 4 || !x.complex() || !turns.complex() || !IsKnown(x, 2) ||
      turns.shape[1] != 1 || turns.shape[2] != 1)
    return;
  const auto linear = LinearBehind(b, Source(b, x.name));
  if (!linear || linear->bias.defined()) return;
  const std::int64_t columns = 2 * x.shape[2] * x.shape[3] * x.shape[4];
  if (columns > linear->weight.size(1) || linear->weight.size(1) % (columns / x.shape[2]) != 0)
    return;
  const auto part = [&](std::int64_t index) {
    const std::string number = b.Tensor(torch::tensor(index));
    return b.Squeeze(b.Emit("Gather", {turns.name, number}, {{"axis", std::int64_t{-1}}}), {1});
  };
  const torch::Tensor weight =
      linear->weight.slice(1, 0, columns).unflatten(1, {x.shape[2], x.shape[3], x.shape[4], 2});
  const std::string cosines = part(0), sines = part(1);
  b.notes().turned[result] = {linear->input, weight, cosines, sines, {}};
}

std::optional<std::string> TurnedPart(GraphBuilder& b, const std::string& x) {
  const OnnxNode* node = b.Producer(x);
  const std::vector<std::int64_t> order = {0, 2, 1, 3};
  if (node == nullptr || node->op != "Transpose" ||
      node->attributes.at("perm") != OnnxAttribute(order))
    return std::nullopt;
  node = b.Producer(node->inputs[0]);
  if (node == nullptr || node->op != "Gather" ||
      node->attributes.at("axis") != OnnxAttribute(std::int64_t{2}))
    return std::nullopt;
  const torch::Tensor index = b.ConstantOf(node->inputs[1]);
  node = b.Producer(node->inputs[0]);
  if (!index.defined() || index.dim() != 0 || node == nullptr || node->op != "Reshape")
    return std::nullopt;
  const auto found = b.notes().turned.find(node->inputs[0]);
  if (found == b.notes().turned.end()) return std::nullopt;
  std::vector<std::string>& parts = found->second.parts;
  if (parts.empty()) parts = TurnedParts(b, found->second);
  return parts[static_cast<std::size_t>(index.item<std::int64_t>())];
}

}  // namespace stemsmith
