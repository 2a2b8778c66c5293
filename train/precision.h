// The number type of a training step's convolutions and matrix products: float32, or 16 bits where
// the processor gains by it.
#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>

#include "core/config.h"

namespace stemsmith {

// `name` is float32, bfloat16 or float16; none for float32. Throws Error where the device would
// lose by it, saying why (`train` is for the line). `anywhere` takes all of them, for tests.
std::optional<at::ScalarType> ChoosePrecision(const std::string& name, const torch::Device& device,
                                              const Config& train, bool anywhere = false);

// Why `name` does not pay on a CPU with these capabilities; empty when it does.
std::string CpuPrecisionProblem(const std::string& name, bool has_bfloat16);

// The same on a GPU of this compute capability (80 for 8.0).
std::string GpuPrecisionProblem(const std::string& name, int capability);

}  // namespace stemsmith
