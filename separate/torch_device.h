// Computing on a GPU with LibTorch, whose CUDA part is loaded only when it is asked for, so that
// one program serves machines with and without a GPU. Linked by whatever uses LibTorch.
#pragma once

#include <torch/torch.h>

#include <string>

#include "core/device.h"
#include "separate/held_settings.h"

namespace stemsmith {

// Loads libtorch_cuda.so (beside libtorch_cpu.so) where the driver shows a GPU. Empty: LibTorch
// computes on it; else why it cannot. Asked once: LibTorch keeps its own answer, too, which is why
// this comes before any other use of it.
const std::string& TorchCudaProblem();

// Where `device` is; "auto" is the CPU where no GPU can be used. Throws Error::Usage where a GPU is
// asked for that is not to be had, with the number of those that are.
torch::Device TorchDevice(const Device& device);

// Whether GPUs round what goes into convolutions and matrix products to TF32, 11 binary places. Not
// while an ExactFloat32 lives: they compute float32 in full, as CPUs do.
struct Float32Settings {
  bool tf32_in_convolutions = false, tf32_in_products = false;

  static Float32Settings Now();
  void Set() const;
};
using ExactFloat32 = HeldSettings<Float32Settings>;

}  // namespace stemsmith
