// Arithmetic, comparisons, activations: what works element by element, with broadcasting.
#include <cmath>
#include <limits>
#include <numbers>

#include "export/complex.h"
#include "export/gating.h"
#include "export/linear.h"
#include "export/lowering.h"
#include "export/rotary.h"

namespace stemsmith {
namespace {

template <typename... Parts>
std::string Apply(Call& call, const char* op, Parts... parts) {
  return call.b().Emit(op, {parts...});
}

void Identity(Call& call) { call.ReturnArgument("self"); }

// A function of one tensor that ONNX has under a name of its own.
template <const char* const& kOp>
void Unary(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  if (x.complex()) call.Unsupported("its argument is complex");
  call.Return(Apply(call, kOp, call.Operand("self", call.Out().type)));
}

// a + alpha · b and a - alpha · b.
void AddSub(Call& call, const char* op, const char* left, const char* right) {
  GraphBuilder& b = call.b();
  const torch::ScalarType type = call.Out().type;
  const double alpha = call.Double("alpha", 1.0);
  if (c10::isComplexType(type)) {
    if (alpha != 1.0) call.Unsupported("alpha on complex tensors");
    call.Return(Apply(call, op, ComplexOperand(call, left), ComplexOperand(call, right)));
    return;
  }
  std::string scaled = call.Operand(right, type);
  if (alpha != 1.0) scaled = b.Emit("Mul", {scaled, b.Number(alpha, type)});
  call.Return(Apply(call, op, call.Operand(left, type), scaled));
}

void Add(Call& call) { AddSub(call, "Add", "self", "other"); }
void Sub(Call& call) { AddSub(call, "Sub", "self", "other"); }
void ReverseSub(Call& call) { AddSub(call, "Sub", "other", "self"); }

void Mul(Call& call) {
  const torch::ScalarType type = call.Out().type;
  if (c10::isComplexType(type)) {
    const std::string product = ComplexMultiply(call, "self", "other");
    RememberTurned(call, product);
    call.Return(product);
    return;
  }
  if (type == torch::kBool) {
    call.Return(Apply(call, "And", call.Operand("self", type), call.Operand("other", type)));
    return;
  }
  for (const auto& [known, x] : {std::pair("self", "other"), std::pair("other", "self")}) {
    if (!call.IsConstant(known) || !call.Constant(known).isTensor() || call.IsConstant(x)) continue;
    const std::string name = call.Tensor(x).name;
    const torch::Tensor factors = call.ConstantTensor(known);
    if (const auto scaled = ScaledUnit(call.b(), name, factors)) return call.Return(*scaled);
    if (const auto scaled = ScaledLinear(call.b(), name, factors)) return call.Return(*scaled);
  }
  call.Return(Apply(call, "Mul", call.Operand("self", type), call.Operand("other", type)));
}

std::string FloorQuotient(Call& call, torch::ScalarType type) {
  const std::string a = call.Operand("self", type), n = call.Operand("other", type);
  if (!c10::isIntegralType(type, false)) return Apply(call, "Floor", Apply(call, "Div", a, n));
  // ONNX divides whole numbers towards zero; less the remainder, which has the divisor's sign,
  // nothing is rounded.
  return Apply(call, "Div", Apply(call, "Sub", a, Apply(call, "Mod", a, n)), n);
}

void FloorDivide(Call& call) { call.Return(FloorQuotient(call, call.Out().type)); }

void Div(Call& call) {
  const torch::ScalarType type = call.Out().type;
  if (c10::isComplexType(type)) {
    call.Return(ComplexDivide(call, "self", "other"));
    return;
  }
  const std::string mode = call.String("rounding_mode", "");
  if (mode == "floor") {
    call.Return(FloorQuotient(call, type));
    return;
  }
  std::string quotient =
      Apply(call, "Div", call.Operand("self", type), call.Operand("other", type));
  if (mode == "trunc" && !c10::isIntegralType(type, false)) {
    quotient = Apply(call, "Mul", Apply(call, "Floor", Apply(call, "Abs", quotient)),
                     Apply(call, "Sign", quotient));
  }
  call.Return(quotient);
}

void Remainder(Call& call) {
  const torch::ScalarType type = call.Out().type;
  const std::string a = call.Operand("self", type), n = call.Operand("other", type);
  if (c10::isIntegralType(type, false)) {
    call.Return(Apply(call, "Mod", a, n));
    return;
  }
  const std::string whole = Apply(call, "Floor", Apply(call, "Div", a, n));
  call.Return(Apply(call, "Sub", a, Apply(call, "Mul", whole, n)));
}

void Negate(Call& call) { call.Return(Apply(call, "Neg", call.Tensor("self").name)); }

void Power(Call& call) {
  const torch::ScalarType type = call.Out().type;
  if (c10::isComplexType(type)) call.Unsupported("its argument is complex");
  const std::string x = call.Operand("self", type);
  if (call.IsConstant("exponent") && call.Constant("exponent").isScalar()) {
    const double exponent = call.Double("exponent", 1.0);
    if (exponent == 2.0) return call.Return(Apply(call, "Mul", x, x));
    if (exponent == 0.5) return call.Return(Apply(call, "Sqrt", x));
    if (exponent == -1.0) return call.Return(Apply(call, "Reciprocal", x));
  }
  call.Return(Apply(call, "Pow", x, call.Operand("exponent", type)));
}

void Square(Call& call) {
  const std::string x = call.Tensor("self").name;
  call.Return(Apply(call, "Mul", x, x));
}

void ReciprocalSqrt(Call& call) {
  call.Return(Apply(call, "Reciprocal", Apply(call, "Sqrt", call.Tensor("self").name)));
}

void Log1p(Call& call) {
  const std::string x = call.Tensor("self").name;
  call.Return(Apply(call, "Log", Apply(call, "Add", x, call.b().Number(1.0, call.Out().type))));
}

void Expm1(Call& call) {
  const std::string x = call.Tensor("self").name;
  call.Return(Apply(call, "Sub", Apply(call, "Exp", x), call.b().Number(1.0, call.Out().type)));
}

void LogOfBase(Call& call, double base) {
  const std::string log = Apply(call, "Log", call.Tensor("self").name);
  call.Return(Apply(call, "Mul", log, call.b().Number(1.0 / std::log(base), call.Out().type)));
}
void Log2(Call& call) { LogOfBase(call, 2.0); }
void Log10(Call& call) { LogOfBase(call, 10.0); }

void Abs(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  call.Return(x.complex() ? ComplexMagnitude(call, x) : Apply(call, "Abs", x.name));
}

void Compare(Call& call, const char* op, bool negate) {
  torch::ScalarType type = torch::kFloat32;
  const bool whole = !call.IsConstant("self") &&
                     c10::isIntegralType(call.Tensor("self").type, false) &&
                     !(call.IsConstant("other") && call.Constant("other").isDouble());
  if (whole) type = torch::kInt64;
  const std::string result =
      Apply(call, op, call.Operand("self", type), call.Operand("other", type));
  call.Return(negate ? Apply(call, "Not", result) : result);
}
void Equal(Call& call) { Compare(call, "Equal", false); }
void NotEqual(Call& call) { Compare(call, "Equal", true); }
void Less(Call& call) { Compare(call, "Less", false); }
void LessEqual(Call& call) { Compare(call, "LessOrEqual", false); }
void Greater(Call& call) { Compare(call, "Greater", false); }
void GreaterEqual(Call& call) { Compare(call, "GreaterOrEqual", false); }

void Not(Call& call) { call.Return(Apply(call, "Not", call.Operand("self", torch::kBool))); }
void And(Call& call) {
  call.Return(
      Apply(call, "And", call.Operand("self", torch::kBool), call.Operand("other", torch::kBool)));
}
void Or(Call& call) {
  call.Return(
      Apply(call, "Or", call.Operand("self", torch::kBool), call.Operand("other", torch::kBool)));
}

void Where(Call& call) {
  const torch::ScalarType type = call.Out().type;
  call.Return(Apply(call, "Where", call.Tensor("condition").name, call.Operand("self", type),
                    call.Operand("other", type)));
}

void MaskedFill(Call& call) {
  const torch::ScalarType type = call.Out().type;
  call.Return(Apply(call, "Where", call.Tensor("mask").name, call.Operand("value", type),
                    call.Operand("self", type)));
}

void Maximum(Call& call) {
  const torch::ScalarType type = call.Out().type;
  call.Return(Apply(call, "Max", call.Operand("self", type), call.Operand("other", type)));
}
void Minimum(Call& call) {
  const torch::ScalarType type = call.Out().type;
  call.Return(Apply(call, "Min", call.Operand("self", type), call.Operand("other", type)));
}

void ClampBetween(Call& call, const char* low, const char* high) {
  const torch::ScalarType type = call.Out().type;
  std::string x = call.Operand("self", type);
  if (call.Has(low)) x = Apply(call, "Max", x, call.Operand(low, type));
  if (call.Has(high)) x = Apply(call, "Min", x, call.Operand(high, type));
  call.Return(x);
}
void Clamp(Call& call) { ClampBetween(call, "min", "max"); }
void HardTanh(Call& call) { ClampBetween(call, "min_val", "max_val"); }

void Relu6(Call& call) {
  GraphBuilder& b = call.b();
  call.Return(Apply(call, "Clip", call.Tensor("self").name, b.Number(0.0), b.Number(6.0)));
}

void LeakyRelu(Call& call) {
  const float slope = static_cast<float>(call.Double("negative_slope", 0.01));
  call.Return(call.b().Emit("LeakyRelu", {call.Tensor("self").name}, {{"alpha", slope}}));
}

void Elu(Call& call) {
  if (call.Double("scale", 1.0) != 1.0 || call.Double("input_scale", 1.0) != 1.0) {
    call.Unsupported("scale is not 1");
  }
  const float alpha = static_cast<float>(call.Double("alpha", 1.0));
  call.Return(call.b().Emit("Elu", {call.Tensor("self").name}, {{"alpha", alpha}}));
}

void Prelu(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  torch::Tensor weight = call.ConstantTensor("weight");
  // The slopes belong to dimension 1; ONNX broadcasts from the last one.
  if (weight.numel() > 1 && x.rank() > 2) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(x.rank() - 1), 1);
    shape[0] = weight.numel();
    weight = weight.reshape(shape);
  }
  call.Return(Apply(call, "PRelu", x.name, call.b().Tensor(weight)));
}

void Silu(Call& call) {
  const std::string x = call.Tensor("self").name;
  call.Return(Apply(call, "Mul", x, Apply(call, "Sigmoid", x)));
}

void Softplus(Call& call) {
  if (call.Double("beta", 1.0) != 1.0) call.Unsupported("beta is not 1");
  call.Return(Apply(call, "Softplus", call.Tensor("self").name));
}

void Gelu(Call& call) {
  GraphBuilder& b = call.b();
  const std::string x = call.Tensor("self").name;
  std::string gate;
  if (call.String("approximate", "none") == "tanh") {
    const std::string cube = Apply(call, "Mul", Apply(call, "Mul", x, x), x);
    const std::string inner = Apply(call, "Add", x, Apply(call, "Mul", cube, b.Number(0.044715)));
    gate =
        Apply(call, "Tanh", Apply(call, "Mul", inner, b.Number(std::sqrt(2.0 / std::numbers::pi))));
  } else {
    // Written so that ONNX Runtime knows it again: it has one operator for all five.
    gate = Apply(call, "Erf", Apply(call, "Div", x, b.Number(std::numbers::sqrt2)));
  }
  const std::string half = Apply(call, "Mul", x, b.Number(0.5));
  call.Return(Apply(call, "Mul", half, Apply(call, "Add", gate, b.Number(1.0))));
}

void Glu(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  if (call.Dim("dim", x) == 1) {
    if (const auto gated = GatedUnit(call.b(), x.name)) return call.Return(*gated);
  }
  const auto halves = call.b().Split(x.name, call.Dim("dim", x), 2);
  call.Return(Apply(call, "Mul", halves[0], Apply(call, "Sigmoid", halves[1])));
}

void SoftmaxAs(Call& call, const char* op) {
  const LoweredTensor x = call.Tensor("self");
  call.Return(call.b().Emit(op, {call.Operand("self", call.Out().type)},
                            {{"axis", std::int64_t{call.Dim("dim", x)}}}));
}
void Softmax(Call& call) { SoftmaxAs(call, "Softmax"); }
void LogSoftmax(Call& call) { SoftmaxAs(call, "LogSoftmax"); }

void Dropout(Call& call) {
  if (call.Bool("train", false)) call.Unsupported("it was traced in training mode");
  call.ReturnArgument("input");
}

void Convert(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  if (x.complex() != c10::isComplexType(call.Out().type)) {
    call.Unsupported("it changes between real and complex");
  }
  call.Return(call.b().Cast(x.name, x.type, call.Out().type));
}

#define STEMSMITH_UNARY(name) constexpr const char* k##name = #name
STEMSMITH_UNARY(Relu);
STEMSMITH_UNARY(Sigmoid);
STEMSMITH_UNARY(Tanh);
STEMSMITH_UNARY(Exp);
STEMSMITH_UNARY(Log);
STEMSMITH_UNARY(Sqrt);
STEMSMITH_UNARY(Sin);
STEMSMITH_UNARY(Cos);
STEMSMITH_UNARY(Atan);
STEMSMITH_UNARY(Floor);
STEMSMITH_UNARY(Ceil);
STEMSMITH_UNARY(Round);
STEMSMITH_UNARY(Sign);
STEMSMITH_UNARY(Erf);
STEMSMITH_UNARY(Reciprocal);
STEMSMITH_UNARY(Softsign);
#undef STEMSMITH_UNARY

}  // namespace

const RuleTable& ElementwiseRules() {
  static const RuleTable table = {
      {"aten::add", Add},
      {"aten::sub", Sub},
      {"aten::rsub", ReverseSub},
      {"aten::mul", Mul},
      {"aten::div", Div},
      {"aten::true_divide", Div},
      {"aten::floor_divide", FloorDivide},
      {"aten::remainder", Remainder},
      {"aten::neg", Negate},
      {"aten::pow", Power},
      {"aten::square", Square},
      {"aten::sqrt", Unary<kSqrt>},
      {"aten::rsqrt", ReciprocalSqrt},
      {"aten::reciprocal", Unary<kReciprocal>},
      {"aten::exp", Unary<kExp>},
      {"aten::expm1", Expm1},
      {"aten::log", Unary<kLog>},
      {"aten::log1p", Log1p},
      {"aten::log2", Log2},
      {"aten::log10", Log10},
      {"aten::sin", Unary<kSin>},
      {"aten::cos", Unary<kCos>},
      {"aten::atan", Unary<kAtan>},
      {"aten::floor", Unary<kFloor>},
      {"aten::ceil", Unary<kCeil>},
      {"aten::round", Unary<kRound>},
      {"aten::sign", Unary<kSign>},
      {"aten::erf", Unary<kErf>},
      {"aten::abs", Abs},
      {"aten::eq", Equal},
      {"aten::ne", NotEqual},
      {"aten::lt", Less},
      {"aten::le", LessEqual},
      {"aten::gt", Greater},
      {"aten::ge", GreaterEqual},
      {"aten::logical_not", Not},
      {"aten::logical_and", And},
      {"aten::logical_or", Or},
      {"aten::where", Where},
      {"aten::masked_fill", MaskedFill},
      {"aten::maximum", Maximum},
      {"aten::minimum", Minimum},
      {"aten::clamp", Clamp},
      {"aten::clamp_min", Clamp},
      {"aten::clamp_max", Clamp},
      {"aten::relu", Unary<kRelu>},
      {"aten::relu6", Relu6},
      {"aten::hardtanh", HardTanh},
      {"aten::leaky_relu", LeakyRelu},
      {"aten::elu", Elu},
      {"aten::prelu", Prelu},
      {"aten::_prelu_kernel", Prelu},
      {"aten::sigmoid", Unary<kSigmoid>},
      {"aten::tanh", Unary<kTanh>},
      {"aten::silu", Silu},
      {"aten::softplus", Softplus},
      {"aten::softsign", Unary<kSoftsign>},
      {"aten::gelu", Gelu},
      {"aten::glu", Glu},
      {"aten::softmax", Softmax},
      {"aten::log_softmax", LogSoftmax},
      {"aten::dropout", Dropout},
      {"aten::feature_dropout", Dropout},
      {"aten::to", Convert},
      {"aten::_to_copy", Convert},
      {"aten::type_as", Convert},
      {"aten::float", Convert},
      {"aten::positive", Identity},
  };
  return table;
}

}  // namespace stemsmith
