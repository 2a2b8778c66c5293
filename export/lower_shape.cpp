// Views, slices, joins: what moves elements and computes nothing.
#include <algorithm>

#include "export/linear.h"
#include "export/lowering.h"

namespace stemsmith {
namespace {

// The ONNX shape of the result: where at most one dimension varies, -1 stands for it; else `wanted`
// is used.
std::vector<LoweredInt> TargetShape(Call& call, const std::vector<LoweredInt>& wanted) {
  const TracedTensor& out = call.Out();
  const auto varying = std::count(out.shape.begin(), out.shape.end(), TracedTensor::kVaries);
  std::vector<LoweredInt> shape;
  if (varying <= 1) {
    for (const std::int64_t size : out.shape) shape.push_back(size);
  } else {
    shape = wanted;
  }
  if (c10::isComplexType(out.type)) shape.push_back(2);
  return shape;
}

void ReshapeTo(Call& call, const LoweredTensor& x, const std::vector<LoweredInt>& wanted) {
  call.Return(call.b().Reshape(x.name, TargetShape(call, wanted)));
}

void Reshape(Call& call) {
  ReshapeTo(call, call.Tensor("self"), call.DynamicInts(call.Has("shape") ? "shape" : "size"));
}

// The dimensions [from, to) of `x`, for a shape that keeps them.
void AppendDimensions(Call& call, const LoweredTensor& x, int from, int to,
                      std::vector<LoweredInt>& shape) {
  for (int d = from; d < to; ++d) shape.push_back(call.b().Dimension(x, d));
}

void Flatten(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  std::vector<LoweredInt> shape;
  AppendDimensions(call, x, 0, call.Dim("start_dim", x), shape);
  shape.push_back(-1);
  AppendDimensions(call, x, call.Dim("end_dim", x) + 1, x.rank(), shape);
  ReshapeTo(call, x, shape);
}

void Unflatten(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const int dim = call.Dim("dim", x);
  std::vector<LoweredInt> shape;
  AppendDimensions(call, x, 0, dim, shape);
  for (const LoweredInt& size : call.DynamicInts("sizes")) shape.push_back(size);
  AppendDimensions(call, x, dim + 1, x.rank(), shape);
  ReshapeTo(call, x, shape);
}

void ViewAs(Call& call) {
  const LoweredTensor other = call.Tensor("other");
  std::vector<LoweredInt> shape;
  AppendDimensions(call, other, 0, other.rank(), shape);
  ReshapeTo(call, call.Tensor("self"), shape);
}

void Permuted(Call& call, const LoweredTensor& x, std::vector<std::int64_t> order) {
  if (x.complex()) order.push_back(x.rank());
  call.Return(call.b().Transpose(x.name, std::move(order)));
}

void Permute(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  Permuted(call, x, call.Dims("dims", x));
}

std::vector<std::int64_t> Order(const LoweredTensor& x) {
  std::vector<std::int64_t> order;
  for (int d = 0; d < x.rank(); ++d) order.push_back(d);
  return order;
}

void TransposeTwo(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  std::vector<std::int64_t> order = Order(x);
  std::swap(order[call.Dim("dim0", x)], order[call.Dim("dim1", x)]);
  Permuted(call, x, order);
}

void Transpose2d(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  std::vector<std::int64_t> order = Order(x);
  std::reverse(order.begin(), order.end());
  Permuted(call, x, order);
}

void MoveDim(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const auto from = call.Dims("source", x), to = call.Dims("destination", x);
  std::vector<std::int64_t> order(static_cast<std::size_t>(x.rank()), -1);
  for (std::size_t i = 0; i < from.size(); ++i) order[static_cast<std::size_t>(to[i])] = from[i];
  std::int64_t next = 0;
  for (std::int64_t& place : order) {
    if (place >= 0) continue;
    while (std::find(from.begin(), from.end(), next) != from.end()) ++next;
    place = next++;
  }
  Permuted(call, x, order);
}

void Unsqueeze(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  call.Return(call.b().Unsqueeze(x.name, {call.Dim("dim", x, /*extra=*/1)}));
}

void Squeeze(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  std::vector<std::int64_t> dims;
  for (const std::int64_t dim : call.Dims("dim", x)) {
    if (x.shape[static_cast<std::size_t>(dim)] == 1) dims.push_back(dim);
  }
  call.Return(dims.empty() ? x.name : call.b().Squeeze(x.name, dims));
}

void Slice(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const LoweredInt start = call.Has("start") ? call.DynamicInt("start") : LoweredInt(0);
  const LoweredInt end = call.Has("end") ? call.DynamicInt("end") : LoweredInt(kEnd);
  call.Return(call.b().Slice(x.name, call.Dim("dim", x), start, end, call.DynamicInt("step")));
}

void Narrow(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const int dim = call.Dim("dim", x);
  LoweredInt start = call.DynamicInt("start");
  if (start.known.value_or(0) < 0) start = call.b().Add(call.b().Dimension(x, dim), start);
  const LoweredInt end = call.b().Add(start, call.DynamicInt("length"));
  call.Return(call.b().Slice(x.name, dim, start, end));
}

// One of the parts of a linear result that its last dimension was divided into; nothing where `x` is
// not that.
std::optional<std::string> LinearPart(GraphBuilder& b, const LoweredTensor& x, std::int64_t dim,
                                      std::int64_t index) {
  const OnnxNode* node = b.Producer(x.name);
  if (node == nullptr || node->op != "Reshape" || index < 0) return std::nullopt;
  const auto linear = LinearBehind(b, node->inputs[0]);
  if (!linear || b.notes().ranks[node->inputs[0]] != dim + 1) return std::nullopt;
  std::int64_t width = 1;
  std::vector<LoweredInt> shape(static_cast<std::size_t>(dim), 0);
  for (int d = static_cast<int>(dim) + 1; d < x.rank(); ++d) {
    const std::int64_t size = x.shape[static_cast<std::size_t>(d)];
    if (size == TracedTensor::kVaries) return std::nullopt;
    width *= size;
    shape.emplace_back(size);
  }
  if (width * x.shape[static_cast<std::size_t>(dim)] != linear->weight.size(1)) return std::nullopt;
  const std::string source = node->inputs[0];
  return b.Reshape(*LinearPiece(b, source, index * width, width), shape);
}

void Select(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const std::int64_t dim = call.Dim("dim", x);
  const LoweredInt index = call.DynamicInt("index");
  if (index.known) {
    if (const auto part = LinearPart(call.b(), x, dim, *index.known)) return call.Return(*part);
    const std::string scalar = call.b().Tensor(torch::tensor(*index.known));
    call.Return(call.b().Emit("Gather", {x.name, scalar}, {{"axis", dim}}));
  } else {
    const std::string taken = call.b().Emit("Gather", {x.name, index.name}, {{"axis", dim}});
    call.Return(call.b().Squeeze(taken, {dim}));
  }
}

void IndexSelect(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  call.Return(call.b().Emit("Gather", {x.name, call.Tensor("index").name},
                            {{"axis", std::int64_t{call.Dim("dim", x)}}}));
}

void Flip(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  std::string result = x.name;
  for (const std::int64_t dim : call.Dims("dims", x)) {
    // From the last element down past the first one.
    result = call.b().Slice(result, dim, -1, -kEnd, -1);
  }
  call.Return(result);
}

// The sizes of the pieces, which the trace knows, even where the operator only says how many.
void SplitAsTraced(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const int dim = call.Dim("dim", x);
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < call.OutCount(); ++i) {
    const std::int64_t size = call.Out(i).shape[static_cast<std::size_t>(dim)];
    if (size == TracedTensor::kVaries) call.Unsupported("the size of its pieces varies");
    sizes.push_back(size);
  }
  std::optional<std::vector<std::string>> pieces;
  if (dim == x.rank() - 1) pieces = LinearPieces(call.b(), x.name, sizes);
  std::int64_t start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    call.Return(pieces ? (*pieces)[i] : call.b().Slice(x.name, dim, start, start + sizes[i]));
    start += sizes[i];
  }
}

// The first pieces are longer by one where the size is no multiple of their number: piece i has
// (size + pieces - 1 - i) / pieces.
void TensorSplit(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("self");
  const int dim = call.Dim("dim", x);
  const std::int64_t pieces = call.Int("sections");
  const LoweredInt size = b.Dimension(x, dim);
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = pieces - 1; i >= 0; --i)
    lengths.push_back(size.known ? (*size.known + i) / pieces : i);
  std::string all = b.Ints(lengths);
  if (!size.known) all = b.Emit("Div", {b.Emit("Add", {all, size.name}), b.Ints({pieces})});
  for (const std::string& piece : b.Split(x.name, dim, static_cast<std::size_t>(pieces), all))
    call.Return(piece);
}

void Unbind(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const std::int64_t dim = call.Dim("dim", x);
  for (std::size_t i = 0; i < call.OutCount(); ++i) {
    const std::string index = call.b().Tensor(torch::tensor(static_cast<std::int64_t>(i)));
    call.Return(call.b().Emit("Gather", {x.name, index}, {{"axis", dim}}));
  }
}

// Windows side by side: windows that overlap, or leave gaps, would need copies of elements.
void Unfold(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("self");
  const int dim = call.Dim("dimension", x);
  const std::int64_t size = call.Int("size");
  if (call.Int("step") != size) call.Unsupported("its windows overlap or leave gaps");
  if (x.complex()) call.Unsupported("its argument is complex");
  const LoweredInt length = b.Dimension(x, dim);
  const std::string whole = b.Slice(x.name, dim, 0, b.Multiply(b.FloorDivide(length, size), size));
  std::vector<LoweredInt> shape;
  AppendDimensions(call, x, 0, dim, shape);
  shape.push_back(-1);
  shape.push_back(size);
  AppendDimensions(call, x, dim + 1, x.rank(), shape);
  const std::string windows = b.Reshape(whole, shape);
  // The window's elements come last.
  std::vector<std::int64_t> order;
  for (int d = 0; d <= x.rank(); ++d) {
    if (d != dim + 1) order.push_back(d);
  }
  order.push_back(dim + 1);
  call.Return(dim + 1 == x.rank() ? windows : b.Transpose(windows, order));
}

// The tensors of a list as ONNX values of the result's type.
std::vector<std::string> Parts(Call& call, const std::vector<LoweredTensor>& tensors) {
  std::vector<std::string> parts;
  for (const LoweredTensor& tensor : tensors) {
    if (tensor.complex() != c10::isComplexType(call.Out().type)) {
      call.Unsupported("it joins real and complex tensors");
    }
    parts.push_back(call.b().Cast(tensor.name, tensor.type, call.Out().type));
  }
  return parts;
}

void Concatenate(Call& call) {
  const auto tensors = call.Tensors("tensors");
  const std::int64_t dim = call.Dim("dim", tensors.front());
  call.Return(call.b().Concat(Parts(call, tensors), dim));
}

void Stack(Call& call) {
  const auto tensors = call.Tensors("tensors");
  const std::int64_t dim = call.Dim("dim", tensors.front(), /*extra=*/1);
  std::vector<std::string> parts;
  for (const std::string& part : Parts(call, tensors)) {
    parts.push_back(call.b().Unsqueeze(part, {dim}));
  }
  call.Return(call.b().Concat(parts, dim));
}

void Expand(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  std::vector<LoweredInt> shape = call.DynamicInts("size");
  // torch keeps a dimension at -1, ONNX at 1.
  for (LoweredInt& size : shape) {
    if (size.known == -1) size = 1;
  }
  if (x.complex()) shape.push_back(2);
  call.Return(call.b().Emit("Expand", {x.name, call.b().IntList(shape)}));
}

void ExpandAs(Call& call) {
  const LoweredTensor x = call.Tensor("self"), other = call.Tensor("other");
  if (x.complex() || other.complex()) call.Unsupported("its argument is complex");
  call.Return(call.b().Emit("Expand", {x.name, call.b().Emit("Shape", {other.name})}));
}

void Repeat(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  std::vector<LoweredInt> repeats = call.DynamicInts("repeats");
  std::string source = x.name;
  std::vector<std::int64_t> added;
  for (int d = 0; d < static_cast<int>(repeats.size()) - x.rank(); ++d) added.push_back(d);
  if (!added.empty()) source = call.b().Unsqueeze(source, added);
  if (x.complex()) repeats.push_back(1);
  call.Return(call.b().Emit("Tile", {source, call.b().IntList(repeats)}));
}

void Size(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  call.Return(call.b().Dimension(x, call.Dim("dim", x)));
}

}  // namespace

const RuleTable& ShapeRules() {
  static const RuleTable table = {
      {"aten::reshape", Reshape},
      {"aten::view", Reshape},
      {"aten::_unsafe_view", Reshape},
      {"aten::view_as", ViewAs},
      {"aten::reshape_as", ViewAs},
      {"aten::flatten", Flatten},
      {"aten::unflatten", Unflatten},
      {"aten::permute", Permute},
      {"aten::transpose", TransposeTwo},
      {"aten::swapaxes", TransposeTwo},
      {"aten::t", Transpose2d},
      {"aten::movedim", MoveDim},
      {"aten::unsqueeze", Unsqueeze},
      {"aten::squeeze", Squeeze},
      {"aten::slice", Slice},
      {"aten::narrow", Narrow},
      {"aten::select", Select},
      {"aten::index_select", IndexSelect},
      {"aten::flip", Flip},
      {"aten::chunk", SplitAsTraced},
      {"aten::split", SplitAsTraced},
      {"aten::split_with_sizes", SplitAsTraced},
      {"aten::tensor_split", TensorSplit},
      {"aten::unbind", Unbind},
      {"aten::unfold", Unfold},
      {"aten::cat", Concatenate},
      {"aten::stack", Stack},
      {"aten::expand", Expand},
      {"aten::expand_as", ExpandAs},
      {"aten::repeat", Repeat},
      {"aten::size", Size},
  };
  return table;
}

}  // namespace stemsmith
