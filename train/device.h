// Where training computes, and what it uses there.
#pragma once

#include <torch/torch.h>

#include "core/device.h"
#include "core/host.h"
#include "train/launcher.h"

namespace stemsmith {

// Where to train; call it before any other use of LibTorch (separate/torch_device.h). "auto" falls
// back to the CPU, with a warning where a GPU is there but cannot be used. Of several ranks on this
// machine each gets the GPU of its number. Throws Error where the GPU that is asked for is not to
// be had, and where ranks would share one.
torch::Device SelectDevice(const Device& wanted, const Launch& launch = {},
                           const Listener& warn = {});

// The number of this rank's GPU, of `gpus` that it sees, where `wanted` is asked for and GPUs are
// there to use. `own`: a launcher shows each rank one GPU, its own. Throws Error::Usage.
int GpuOfRank(const Device& wanted, const Launch& launch, int gpus, bool own);

// Every step allocates the same large tensors. By default glibc maps each from the system and gives
// it back, and clearing the pages again took a quarter of the step's CPU time: kept in the heap they
// are reused, but as parts of other sizes, which takes half as much memory again. PrepareTorch keeps
// them; where memory counts more than time, `keep` is false.
void KeepFreedMemory(bool keep);

// Process-wide settings for repeatable runs: the number of compute threads (0: one per core) and
// deterministic algorithms. On a GPU they are cuDNN's alone; where `deterministic` is set, all, and
// LibTorch throws at an operation that has none. Returns the number of threads in use.
int PrepareTorch(const torch::Device& device, int threads, bool deterministic = false);

// Bytes in use now: of memory by the process, and of the GPU's by LibTorch (0 on the CPU).
struct MemoryUse {
  double resident = 0.0, device = 0.0;
};
MemoryUse UsedMemory(const torch::Device& device);

}  // namespace stemsmith
