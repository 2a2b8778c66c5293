// Arithmetic on complex tensors in ONNX, where they are real with a last dimension of 2 (real part,
// imaginary part).
#pragma once

#include <string>

#include "export/lowering.h"

namespace stemsmith {

// An argument as a complex value: real ones get an imaginary part of 0.
std::string ComplexOperand(Call& call, const char* name);
std::string ComplexMultiply(Call& call, const char* a, const char* b);
std::string ComplexDivide(Call& call, const char* a, const char* b);
std::string ComplexMagnitude(Call& call, const LoweredTensor& x);

}  // namespace stemsmith
