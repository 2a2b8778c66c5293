#include "export/complex.h"

namespace stemsmith {
namespace {

bool IsComplex(Call& call, const char* name) {
  if (!call.IsConstant(name)) return call.Tensor(name).complex();
  const c10::IValue& value = call.Constant(name);
  return value.isComplexDouble() || (value.isTensor() && value.toTensor().is_complex());
}

// A real argument, ready to be broadcast against complex ones.
std::string RealOperand(Call& call, const char* name) {
  const std::string real = call.Operand(name, torch::kFloat32);
  const bool number = call.IsConstant(name) && call.Constant(name).isScalar();
  if (number) return real;  // rank 0 broadcasts as it is
  return call.b().Unsqueeze(real, {-1});
}

struct Parts {
  std::string real, imaginary;  // each with a last dimension of 1
};

Parts SplitParts(Call& call, const std::string& x) {
  const auto parts = call.b().Split(x, -1, 2);
  return {parts[0], parts[1]};
}

}  // namespace

std::string ComplexOperand(Call& call, const char* name) {
  GraphBuilder& b = call.b();
  if (IsComplex(call, name)) {
    const bool number = call.IsConstant(name) && call.Constant(name).isComplexDouble();
    if (!number) return call.Tensor(name).name;
    const auto value = call.Constant(name).toComplexDouble();
    return b.Tensor(torch::tensor({value.real(), value.imag()}, torch::kFloat32));
  }
  return b.Emit("Mul", {RealOperand(call, name), b.Tensor(torch::tensor({1.0f, 0.0f}))});
}

std::string ComplexMultiply(Call& call, const char* a, const char* b) {
  GraphBuilder& builder = call.b();
  if (!IsComplex(call, a)) {
    return builder.Emit("Mul", {RealOperand(call, a), ComplexOperand(call, b)});
  }
  if (!IsComplex(call, b)) {
    return builder.Emit("Mul", {ComplexOperand(call, a), RealOperand(call, b)});
  }
  const Parts x = SplitParts(call, ComplexOperand(call, a));
  const Parts y = SplitParts(call, ComplexOperand(call, b));
  const auto times = [&](const std::string& left, const std::string& right) {
    return builder.Emit("Mul", {left, right});
  };
  const std::string real =
      builder.Emit("Sub", {times(x.real, y.real), times(x.imaginary, y.imaginary)});
  const std::string imaginary =
      builder.Emit("Add", {times(x.real, y.imaginary), times(x.imaginary, y.real)});
  return builder.Concat({real, imaginary}, -1);
}

std::string ComplexDivide(Call& call, const char* a, const char* b) {
  GraphBuilder& builder = call.b();
  if (IsComplex(call, b)) call.Unsupported("the divisor is complex");
  return builder.Emit("Div", {ComplexOperand(call, a), RealOperand(call, b)});
}

std::string ComplexMagnitude(Call& call, const LoweredTensor& x) {
  GraphBuilder& b = call.b();
  const Parts parts = SplitParts(call, x.name);
  const std::string power = b.Emit("Add", {b.Emit("Mul", {parts.real, parts.real}),
                                           b.Emit("Mul", {parts.imaginary, parts.imaginary})});
  return b.Squeeze(b.Emit("Sqrt", {power}), {-1});
}

}  // namespace stemsmith
