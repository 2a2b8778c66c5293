#include "train/device.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "core/option.h"
#include "core/threads.h"
#include "separate/torch_device.h"

namespace stemsmith {

int GpuOfRank(const Device& wanted, const Launch& launch, int gpus, bool own) {
  if (launch.local_size == 1 || (own && gpus == 1 && wanted.index == 0)) return wanted.index;
  const std::string ranks = std::to_string(launch.local_size) + " ranks on this machine";
  if (wanted.index != 0) {
    throw Error::Usage(
        ranks + " cannot share " + wanted.Name(), Option("device"),
        "use " + Option("device", "cuda") + ", by which each takes the GPU of its number");
  }
  if (launch.local_size > gpus) {
    throw Error::Usage(ranks + ", and " + std::to_string(gpus) + (gpus == 1 ? " GPU" : " GPUs"),
                       Option("device"),
                       "start one rank for each GPU, or use " + Option("device", "cpu"));
  }
  return launch.local_rank;
}

torch::Device SelectDevice(const Device& wanted, const Launch& launch, const Listener& warn) {
  torch::Device device = TorchDevice(wanted);
  if (device.is_cuda()) {
    const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
    Device own = Device::Kind::kCuda;
    own.index = GpuOfRank(wanted, launch, AskCudaDriver().devices, visible != nullptr);
    device = TorchDevice(own);
  }
  if (device.is_cpu() && wanted.kind == Device::Kind::kAuto && AskCudaDriver().problem.empty())
    Tell(warn, "training on the CPU: " + TorchCudaProblem());
  return device;
}

void KeepFreedMemory(bool keep) {
#ifdef __GLIBC__
  constexpr int kMaps = 65536, kTrimBytes = 128 * 1024;  // glibc's own
  mallopt(M_MMAP_MAX, keep ? 0 : kMaps);
  mallopt(M_TRIM_THRESHOLD, keep ? std::numeric_limits<int>::max() : kTrimBytes);
#endif
}

int PrepareTorch(const torch::Device& device, int threads, bool deterministic) {
  KeepFreedMemory(true);
  at::set_num_threads(ComputeThreads(threads));
  auto& context = at::globalContext();
  // Strict on a GPU: with warnings alone attention still takes other sums each time.
  context.setDeterministicAlgorithms(deterministic || device.is_cpu(),
                                     /*warn_only=*/device.is_cpu());
  // Filling fresh memory with NaN is a debugging aid that costs a pass over every tensor.
  context.setDeterministicFillUninitializedMemory(false);
  context.setDeterministicCuDNN(true);  // as fast as the others
  // Products are only then the same each time, by cuBLAS' documentation.
  if (device.is_cuda() && deterministic)
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*replace=*/0);
  return at::get_num_threads();
}

MemoryUse UsedMemory(const torch::Device& device) {
  MemoryUse use;
  std::ifstream statm("/proc/self/statm");
  double pages = 0.0, resident_pages = 0.0;
  if (statm >> pages >> resident_pages)
    use.resident = resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (device.is_cuda()) {
    const auto stats =
        at::getDeviceAllocator(device.type())->getDeviceStats(std::max<int>(0, device.index()));
    use.device = static_cast<double>(
        stats.reserved_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)]
            .current);
  }
  return use;
}

}  // namespace stemsmith
