// Elements that come from nowhere: filled tensors and padding.
#include "export/lowering.h"

namespace stemsmith {
namespace {

// A tensor of one number with another's shape, or with a shape of its own.
std::string Filled(Call& call, const std::string& value, const std::string& shape) {
  return call.b().Emit("Expand", {value, shape});
}

std::string FillValue(Call& call, double value, torch::ScalarType type) {
  if (c10::isComplexType(type)) {
    return call.b().Tensor(torch::tensor({value, 0.0}, torch::kFloat32));
  }
  return call.b().Number(value, type);
}

void FillLike(Call& call, double value) {
  const LoweredTensor x = call.Tensor("self");
  // An in-place fill became full_like after the trace, which therefore does not know its result.
  const torch::ScalarType type = call.KnowsOut() ? call.Out().type : x.type;
  if (x.complex() != c10::isComplexType(type)) {
    call.Unsupported("it changes between real and complex");
  }
  const std::string filled =
      Filled(call, FillValue(call, value, type), call.b().Emit("Shape", {x.name}));
  call.Return(LoweredTensor{filled, type, x.shape});
}
void ZerosLike(Call& call) { FillLike(call, 0.0); }
void OnesLike(Call& call) { FillLike(call, 1.0); }
void FullLike(Call& call) { FillLike(call, call.Double("fill_value", 0.0)); }

void FillNew(Call& call, double value) {
  std::vector<LoweredInt> shape = call.DynamicInts("size");
  if (c10::isComplexType(call.Out().type)) shape.push_back(2);
  call.Return(Filled(call, FillValue(call, value, call.Out().type), call.b().IntList(shape)));
}
void Zeros(Call& call) { FillNew(call, 0.0); }
void Ones(Call& call) { FillNew(call, 1.0); }
void Fill(Call& call) { FillLike(call, call.Double("value", 0.0)); }
void Full(Call& call) { FillNew(call, call.Double("fill_value", 0.0)); }

// torch names the padding from the last dimension back, a pair each; ONNX all starts, then all
// ends.
void PadWith(Call& call, const char* mode, double value, const char* argument) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("self");
  const std::vector<LoweredInt> pairs = call.DynamicInts(argument);
  const int rank = x.rank() + (x.complex() ? 1 : 0);
  std::vector<LoweredInt> pads(static_cast<std::size_t>(2 * rank), 0);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::size_t dim = static_cast<std::size_t>(x.rank()) - 1 - i / 2;
    pads[dim] = pairs[i];
    pads[dim + static_cast<std::size_t>(rank)] = pairs[i + 1];
  }
  std::vector<std::string> inputs = {x.name, b.IntList(pads)};
  if (std::string(mode) == "constant") {
    inputs.push_back(b.Number(value, x.complex() ? torch::kFloat32 : x.type));
  }
  call.Return(b.Emit("Pad", inputs, {{"mode", std::string(mode)}}));
}

void Pad(Call& call) {
  const std::string mode = call.String("mode", "constant");
  if (mode == "constant") return PadWith(call, "constant", call.Double("value", 0.0), "pad");
  if (mode == "reflect") return PadWith(call, "reflect", 0.0, "pad");
  if (mode == "replicate") return PadWith(call, "edge", 0.0, "pad");
  call.Unsupported("mode " + mode);
}
// F::pad in C++ names the mode by torch's enumeration.
void PadByNumber(Call& call) {
  const std::int64_t mode = call.Int("mode");
  if (mode == 0) return PadWith(call, "reflect", 0.0, "pad");
  if (mode == 1) return PadWith(call, "edge", 0.0, "pad");
  if (mode == 3) return PadWith(call, "constant", call.Double("value", 0.0), "pad");
  call.Unsupported("mode circular");
}
void ConstantPad(Call& call) { PadWith(call, "constant", call.Double("value", 0.0), "pad"); }
void ReflectionPad(Call& call) { PadWith(call, "reflect", 0.0, "padding"); }
void ReplicationPad(Call& call) { PadWith(call, "edge", 0.0, "padding"); }

}  // namespace

const RuleTable& FillRules() {
  static const RuleTable table = {
      {"aten::zeros_like", ZerosLike},
      {"aten::ones_like", OnesLike},
      {"aten::full_like", FullLike},
      {"aten::fill", Fill},
      {"aten::empty_like", ZerosLike},  // what is in it is filled by others
      {"aten::zeros", Zeros},
      {"aten::new_zeros", Zeros},
      {"aten::ones", Ones},
      {"aten::new_ones", Ones},
      {"aten::full", Full},
      {"aten::new_full", Full},
      {"aten::pad", Pad},
      {"aten::_pad_enum", PadByNumber},
      {"aten::constant_pad_nd", ConstantPad},
      {"aten::reflection_pad1d", ReflectionPad},
      {"aten::reflection_pad2d", ReflectionPad},
      {"aten::replication_pad1d", ReplicationPad},
      {"aten::replication_pad2d", ReplicationPad},
  };
  return table;
}

}  // namespace stemsmith
