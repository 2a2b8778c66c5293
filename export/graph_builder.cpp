#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "core/text.h"
#include "export/lowering.h"

namespace stemsmith {
namespace {

OnnxType OnnxTypeOf(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat64:
      return OnnxType::kFloat64;
    case torch::kInt32:
      return OnnxType::kInt32;
    case torch::kInt64:
      return OnnxType::kInt64;
    case torch::kBool:
      return OnnxType::kBool;
    default:
      return OnnxType::kFloat32;
  }
}

// The numbers of TensorProto.DataType, which Cast names types by.
std::int64_t CastCode(torch::ScalarType type) {
  switch (OnnxTypeOf(type)) {
    case OnnxType::kFloat64:
      return 11;
    case OnnxType::kInt32:
      return 6;
    case OnnxType::kInt64:
      return 7;
    case OnnxType::kBool:
      return 9;
    default:
      return kOnnxFloat32;
  }
}

}  // namespace

std::vector<std::string> GraphBuilder::EmitMany(const std::string& op,
                                                const std::vector<std::string>& inputs,
                                                std::size_t outputs,
                                                const OnnxAttributes& attributes) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < outputs; ++i) {
    names.push_back(LowerCase(op) + "_" + std::to_string(counters_[op]++));
  }
  for (const std::string& name : names) producers_.emplace(name, graph_.nodes.size());
  graph_.nodes.push_back({op, inputs, names, attributes});
  return names;
}

const OnnxNode* GraphBuilder::Producer(const std::string& name) const {
  const auto found = producers_.find(name);
  return found == producers_.end() ? nullptr : &graph_.nodes[found->second];
}

torch::Tensor GraphBuilder::ConstantOf(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? torch::Tensor() : found->second;
}

std::string GraphBuilder::Emit(const std::string& op, const std::vector<std::string>& inputs,
                               const OnnxAttributes& attributes) {
  return EmitMany(op, inputs, 1, attributes).front();
}

std::string GraphBuilder::AddConstant(OnnxType type, const std::vector<std::int64_t>& shape,
                                      std::string bytes) {
  const std::size_t hash = std::hash<std::string>()(bytes);
  const auto [first, last] = constants_.equal_range(hash);
  for (auto place = first; place != last; ++place) {
    const OnnxTensor& known = graph_.constants[place->second];
    if (known.type == type && known.shape == shape && known.bytes == bytes) return known.name;
  }
  const std::string name = "constant_" + std::to_string(graph_.constants.size());
  constants_.emplace(hash, graph_.constants.size());
  graph_.constants.push_back({name, type, shape, std::move(bytes)});
  return name;
}

std::string GraphBuilder::Tensor(const torch::Tensor& value) {
  torch::Tensor plain = value.detach().to(torch::kCPU);
  if (plain.is_complex()) plain = torch::view_as_real(plain.resolve_conj());
  if (OnnxTypeOf(plain.scalar_type()) == OnnxType::kFloat32) plain = plain.to(torch::kFloat32);
  plain = plain.contiguous();
  const std::string name =
      AddConstant(OnnxTypeOf(plain.scalar_type()), plain.sizes().vec(),
                  std::string(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()));
  tensors_.emplace(name, plain);
  return name;
}

std::string GraphBuilder::Ints(const std::vector<std::int64_t>& values) {
  return AddConstant(OnnxType::kInt64, {static_cast<std::int64_t>(values.size())},
                     std::string(reinterpret_cast<const char*>(values.data()),
                                 values.size() * sizeof(std::int64_t)));
}

std::string GraphBuilder::Number(double value, torch::ScalarType type) {
  return Tensor(torch::scalar_tensor(value, torch::TensorOptions().dtype(type)));
}

std::string GraphBuilder::IntName(const LoweredInt& value) {
  return value.known ? Ints({*value.known}) : value.name;
}

std::string GraphBuilder::IntList(const std::vector<LoweredInt>& values) {
  std::vector<std::string> parts;
  std::vector<std::int64_t> run;  // known ones in a row are one constant
  const auto flush = [&] {
    if (!run.empty()) parts.push_back(Ints(run));
    run.clear();
  };
  for (const LoweredInt& value : values) {
    if (value.known) {
      run.push_back(*value.known);
    } else {
      flush();
      parts.push_back(value.name);
    }
  }
  flush();
  if (parts.empty()) return Ints({});
  return parts.size() == 1 ? parts.front() : Concat(parts, 0);
}

LoweredInt GraphBuilder::Dimension(const LoweredTensor& tensor, int dim) {
  const std::int64_t size = tensor.shape[static_cast<std::size_t>(dim)];
  if (size != TracedTensor::kVaries) return size;
  return LoweredInt(Emit("Gather", {Emit("Shape", {tensor.name}), Ints({dim})}));
}

LoweredInt GraphBuilder::Arithmetic(const char* op, const LoweredInt& a, const LoweredInt& b) {
  return LoweredInt(Emit(op, {IntName(a), IntName(b)}));
}

LoweredInt GraphBuilder::Add(const LoweredInt& a, const LoweredInt& b) {
  return a.known && b.known ? LoweredInt(*a.known + *b.known) : Arithmetic("Add", a, b);
}

LoweredInt GraphBuilder::Subtract(const LoweredInt& a, const LoweredInt& b) {
  return a.known && b.known ? LoweredInt(*a.known - *b.known) : Arithmetic("Sub", a, b);
}

LoweredInt GraphBuilder::Multiply(const LoweredInt& a, const LoweredInt& b) {
  return a.known && b.known ? LoweredInt(*a.known * *b.known) : Arithmetic("Mul", a, b);
}

LoweredInt GraphBuilder::FloorDivide(const LoweredInt& a, const LoweredInt& b) {
  if (a.known && b.known && *b.known != 0) {
    return (*a.known - ((*a.known % *b.known) + *b.known) % *b.known) / *b.known;
  }
  // ONNX divides towards zero; without the remainder (of the divisor's sign) nothing is left to
  // round.
  return Arithmetic("Div", Subtract(a, Arithmetic("Mod", a, b)), b);
}

std::string GraphBuilder::Slice(const std::string& x, std::int64_t dim, const LoweredInt& start,
                                const LoweredInt& end, const LoweredInt& step) {
  const bool whole = start.known == 0 && step.known == 1 &&
                     end.known.value_or(0) == std::numeric_limits<std::int64_t>::max();
  if (whole) return x;
  return Emit("Slice", {x, IntName(start), IntName(end), Ints({dim}), IntName(step)});
}

std::string GraphBuilder::Reshape(const std::string& x, const std::vector<LoweredInt>& shape) {
  return Emit("Reshape", {x, IntList(shape)});
}

std::string GraphBuilder::Unsqueeze(const std::string& x, std::vector<std::int64_t> dims) {
  return Emit("Unsqueeze", {x, Ints(dims)});
}

std::string GraphBuilder::Squeeze(const std::string& x, std::vector<std::int64_t> dims) {
  return Emit("Squeeze", {x, Ints(dims)});
}

std::string GraphBuilder::Transpose(const std::string& x, std::vector<std::int64_t> order) {
  std::string source = x;
  if (const OnnxNode* before = Producer(x); before != nullptr && before->op == "Transpose") {
    source = before->inputs[0];
    const auto& first = std::get<std::vector<std::int64_t>>(before->attributes.at("perm"));
    for (std::int64_t& dim : order) dim = first[static_cast<std::size_t>(dim)];
  }
  if (std::is_sorted(order.begin(), order.end())) return source;
  return Emit("Transpose", {source}, {{"perm", std::move(order)}});
}

std::string GraphBuilder::Concat(const std::vector<std::string>& parts, std::int64_t dim) {
  return Emit("Concat", parts, {{"axis", dim}});
}

std::vector<std::string> GraphBuilder::Split(const std::string& x, std::int64_t dim,
                                             std::size_t parts, const std::string& lengths) {
  std::vector<std::string> inputs = {x};
  if (!lengths.empty()) inputs.push_back(lengths);
  return EmitMany("Split", inputs, parts, {{"axis", dim}});
}

std::string GraphBuilder::Cast(const std::string& x, torch::ScalarType from, torch::ScalarType to) {
  if (OnnxTypeOf(from) == OnnxTypeOf(to)) return x;
  return Emit("Cast", {x}, {{"to", CastCode(to)}});
}

std::string GraphBuilder::ReduceMean(const std::string& x, std::vector<std::int64_t> dims,
                                     bool keep) {
  // One dimension after the other: ONNX Runtime adds millions of elements up one by one, which is
  // off by 1e-4 for squares. OpenVINO makes one mean of two that follow each other, and then is off
  // as much: a maximum that changes nothing keeps them apart.
  std::string mean = x;
  for (auto dim = dims.rbegin(); dim != dims.rend(); ++dim) {
    if (dim != dims.rbegin())
      mean = Emit("Max", {mean, Number(std::numeric_limits<float>::lowest())});
    mean = Emit("ReduceMean", {mean},
                {{"axes", std::vector<std::int64_t>{*dim}}, {"keepdims", std::int64_t{1}}});
  }
  return keep ? mean : Squeeze(mean, std::move(dims));
}

std::string GraphBuilder::ReduceSum(const std::string& x, std::vector<std::int64_t> dims,
                                    bool keep) {
  return Emit("ReduceSum", {x, Ints(dims)}, {{"keepdims", std::int64_t{keep}}});
}

}  // namespace stemsmith
