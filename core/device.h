// Where to compute, and what NVIDIA's driver says of this machine's GPUs: asked in one place, and
// without CUDA's libraries.
#pragma once

#include <string>

#include "core/visibility.h"

namespace stemsmith {

struct STEMSMITH_PUBLIC Device {
  enum class Kind {
    kAuto,  // a GPU where one can be used, else the CPU
    kCpu,
    kCuda,
  };
  Kind kind = Kind::kAuto;
  int index = 0;  // of the GPU, as the driver counts them

  Device() = default;
  // "auto", "cpu", "cuda" (the first GPU) or "cuda:1". Throws Error::Usage.
  Device(const std::string& name);
  Device(Kind the_kind) : kind(the_kind) {}
  Device(const char* name) : Device(std::string(name)) {}
  std::string Name() const;  // the same texts
  bool operator==(const Device&) const = default;
};

struct CudaDriver {
  std::string problem;  // why there is no GPU to use; empty: there is one
  int devices = 0;
  int newest_cuda = 0;  // that it takes, 13000 for 13.0
};
// Loads libcuda.so.1, where it is there, at the first call. Thread-safe.
const CudaDriver& AskCudaDriver();

// Why the GPU `device` is not there, with the number of those that are; empty: it is.
std::string GpuProblem(const Device& device, const CudaDriver& driver = AskCudaDriver());

// The compute capability of a GPU, 80 for 8.0; 0 where the driver does not say.
int GpuCapability(int index);

}  // namespace stemsmith
