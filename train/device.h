// Where training computes: the CPU, or a GPU whose libraries are loaded only when asked for, so
// that one program serves machines with and without one.
#pragma once

#include <torch/torch.h>

#include <string>

namespace stemsmith {

// `name` is auto, cpu or cuda. Loads libtorch_cuda.so (beside libtorch_cpu.so) when an NVIDIA
// driver finds a device and `name` is not cpu. Call it before any other use of LibTorch: LibTorch
// asks once for its CUDA part and remembers the answer. auto falls back to the CPU, with a warning
// where a GPU is there but cannot be used; cuda throws Error saying what is missing. Several
// `ranks` train on CPUs only: Error where they would take a GPU.
torch::Device SelectDevice(const std::string& name, int ranks = 1);

// The compute capability of the first GPU, 80 for 8.0; 0 where the driver does not say.
int GpuCapability();

// Process-wide settings for repeatable runs: the number of compute threads (0: one per core) and
// deterministic algorithms (everything on the CPU, cuDNN on CUDA). Returns the number of threads in
// use.
int PrepareTorch(const torch::Device& device, int threads);

// Bytes in use now: of memory by the process, and of the GPU's by LibTorch (0 on the CPU).
struct MemoryUse {
  double resident = 0.0, device = 0.0;
};
MemoryUse UsedMemory(const torch::Device& device);

}  // namespace stemsmith
