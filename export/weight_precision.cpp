#include "export/weight_precision.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "core/names.h"
#include "core/option.h"

namespace stemsmith {
namespace {

// Smaller constants are steps of computations, biases and gains: they would save nothing.
constexpr std::size_t kFewestValues = 256;

std::vector<float> Values(const OnnxTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

template <typename Number>
std::string Bytes(const std::vector<Number>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)};
}

bool IsLargeFloat(const OnnxTensor& tensor) {
  return tensor.type == OnnxType::kFloat32 && tensor.bytes.size() >= kFewestValues * sizeof(float);
}

// Every large constant becomes a constant of float16 and a cast, which runtimes compute once when
// they load the file.
std::int64_t StoreAsFloat16(OnnxGraph& graph) {
  std::int64_t count = 0;
  std::vector<OnnxNode> casts;
  for (OnnxTensor& constant : graph.constants) {
    if (!IsLargeFloat(constant)) continue;
    const std::vector<float> values = Values(constant);
    std::vector<c10::Half> halves(values.begin(), values.end());
    if (std::any_of(halves.begin(), halves.end(),
                    [](c10::Half value) { return !std::isfinite(static_cast<float>(value)); }))
      continue;
    count += static_cast<std::int64_t>(values.size());
    const std::string stored = constant.name + ".float16";
    casts.push_back({"Cast", {stored}, {constant.name}, {{"to", kOnnxFloat32}}});
    constant.name = stored;
    constant.type = OnnxType::kFloat16;
    constant.bytes = Bytes(halves);
  }
  graph.nodes.insert(graph.nodes.begin(), casts.begin(), casts.end());
  return count;
}

// A weight [K, N] as whole numbers with a scale per column.
struct Quantized {
  std::vector<std::int8_t> numbers;
  std::vector<float> scales;
};

// Up to ±64 of ±128: processors without VNNI add pairs of products in 16 bits, which the products
// of larger numbers with activations of 8 bits exceed.
constexpr float kLargestNumber = 64;

Quantized Quantize(const OnnxTensor& weight) {
  const auto rows = static_cast<std::size_t>(weight.shape[0]);
  const auto columns = static_cast<std::size_t>(weight.shape[1]);
  const std::vector<float> values = Values(weight);
  Quantized result{std::vector<std::int8_t>(values.size()), std::vector<float>(columns, 0)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    float& scale = result.scales[i % columns];
    scale = std::max(scale, std::abs(values[i]) / kLargestNumber);
  }
  for (float& scale : result.scales)
    if (scale == 0) scale = 1;
  for (std::size_t k = 0; k < rows; ++k) {
    for (std::size_t n = 0; n < columns; ++n) {
      const std::size_t i = k * columns + n;
      result.numbers[i] = static_cast<std::int8_t>(std::lround(values[i] / result.scales[n]));
    }
  }
  return result;
}

// Linear layers, which are products with a constant [K, N]: the input is rounded to 8 bits with a
// scale of its own on every call, the product is one of whole numbers. Runtimes know these nodes as
// one operator.
std::int64_t QuantizeLinears(OnnxGraph& graph) {
  std::map<std::string, std::size_t> weights;  // large constants of two dimensions, by name
  for (std::size_t i = 0; i < graph.constants.size(); ++i)
    if (IsLargeFloat(graph.constants[i]) && graph.constants[i].shape.size() == 2)
      weights[graph.constants[i].name] = i;
  std::int64_t count = 0;
  std::map<std::string, std::vector<std::string>> rounded;  // inputs: numbers, scale, zero
  std::map<std::string, bool> done;                         // weights
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> constants;
  for (OnnxNode& node : graph.nodes) {
    const auto weight = node.op == "MatMul" ? weights.find(node.inputs[1]) : weights.end();
    if (weight == weights.end()) {
      nodes.push_back(std::move(node));
      continue;
    }
    const std::string input = node.inputs[0], name = weight->first, out = node.outputs[0];
    std::vector<std::string>& parts = rounded[input];
    if (parts.empty()) {
      parts = {input + ".int8", input + ".int8_scale", input + ".int8_zero"};
      nodes.push_back({"DynamicQuantizeLinear", {input}, parts, {}});
    }
    if (!done[name]) {
      done[name] = true;
      const OnnxTensor& tensor = graph.constants[weight->second];
      const Quantized quantized = Quantize(tensor);
      count += static_cast<std::int64_t>(quantized.numbers.size());
      constants.push_back({name + ".int8", OnnxType::kInt8, tensor.shape, Bytes(quantized.numbers)});
      constants.push_back({name + ".int8_scale", OnnxType::kFloat32, {tensor.shape[1]},
                           Bytes(quantized.scales)});
    }
    nodes.push_back(
        {"MatMulInteger", {parts[0], name + ".int8", parts[2]}, {out + ".int32"}, {}});
    nodes.push_back({"Cast", {out + ".int32"}, {out + ".whole"}, {{"to", kOnnxFloat32}}});
    nodes.push_back({"Mul", {parts[1], name + ".int8_scale"}, {out + ".scale"}, {}});
    nodes.push_back({"Mul", {out + ".whole", out + ".scale"}, {out}, {}});
  }
  graph.nodes = std::move(nodes);
  for (OnnxTensor& constant : constants) graph.constants.push_back(std::move(constant));
  RemoveUnused(graph);
  return count;
}

}  // namespace

const std::vector<WeightPrecision>& WeightPrecisionTable() {
  static const std::vector<WeightPrecision> table = {
      {"float32", "as trained", "", nullptr},
      {"float16", "half the file, computed in float32", ".float16", StoreAsFloat16},
      {"int8", "linear layers in 8 bits, computed so", ".int8", QuantizeLinears},
  };
  return table;
}

const WeightPrecision& FindWeightPrecision(const std::string& name) {
  return FindRow(WeightPrecisionTable(), name, "precision", Option("precision"));
}

}  // namespace stemsmith
