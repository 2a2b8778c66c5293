// Computing on a GPU with LibTorch, whose CUDA part is loaded only when it is asked for, so that
// one program serves machines with and without a GPU. Linked by whatever uses LibTorch.
#pragma once

#include <torch/torch.h>

#include <string>

#include "core/device.h"

namespace stemsmith {

// Loads libtorch_cuda.so (beside libtorch_cpu.so) where the driver shows a GPU. Empty: LibTorch
// computes on it; else why it cannot. Asked once: LibTorch keeps its own answer, too, which is why
// this comes before any other use of it.
const std::string& TorchCudaProblem();

// Where `device` is; "auto" is the CPU where no GPU can be used. Throws Error::Usage where a GPU is
// asked for that is not to be had, with the number of those that are.
torch::Device TorchDevice(const Device& device);

// While one lives, GPUs compute float32 in full, as CPUs do: tensor cores else round what goes into
// convolutions to 11 binary places. For the whole process: of several at once the first sets it and
// the last puts it back.
class ExactFloat32 {
 public:
  ExactFloat32();
  ~ExactFloat32();
  ExactFloat32(const ExactFloat32&) = delete;
  ExactFloat32& operator=(const ExactFloat32&) = delete;
};

}  // namespace stemsmith
