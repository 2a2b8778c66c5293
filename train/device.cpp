#include "train/device.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "core/progress.h"
#include "core/threads.h"

namespace stemsmith {
namespace {

// Empty when the driver is there and sees a device, else what is wrong. `version` gets the newest
// CUDA version that the driver takes (13000 for 13.0).
std::string DriverProblem(int& version) {
  // Never closed: LibTorch goes on to use it.
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return "this machine has no NVIDIA driver (libcuda.so.1)";
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get_version = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDriverGetVersion"));
  const auto get_count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  if (init == nullptr || get_version == nullptr || get_count == nullptr)
    return "libcuda.so.1 is no NVIDIA driver";
  if (const int status = init(0); status != 0)
    return "the NVIDIA driver does not start (cuInit gives " + std::to_string(status) + ")";
  int devices = 0;
  if (get_count(&devices) != 0 || devices == 0) return "the NVIDIA driver sees no GPU";
  get_version(&version);
  return "";
}

std::filesystem::path TorchLibraryFolder() {
  Dl_info info{};
  // Any function of libtorch_cpu.so.
  if (dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info) == 0 ||
      info.dli_fname == nullptr)
    return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

// Loads LibTorch's CUDA part; empty on success. Tried once: LibTorch keeps its answer too.
std::string LoadCudaProblem() {
  int version = 0;
  if (std::string problem = DriverProblem(version); !problem.empty()) return problem;
  const std::filesystem::path library = TorchLibraryFolder() / "libtorch_cuda.so";
  if (!std::filesystem::exists(library))
    return "LibTorch is a CPU build: no libtorch_cuda.so in " + library.parent_path().string();
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* reason = dlerror();
    return "libtorch_cuda.so does not load: " + std::string(reason != nullptr ? reason : "");
  }
  if (!torch::cuda::is_available()) {
    return "the NVIDIA driver takes CUDA up to " + std::to_string(version / 1000) + "." +
           std::to_string(version % 1000 / 10) +
           ", older than LibTorch's (CUDA 13 needs driver 580 or newer)";
  }
  return "";
}

bool HasGpu() {
  int version = 0;
  return DriverProblem(version).empty();
}

}  // namespace

torch::Device SelectDevice(const std::string& name, int ranks) {
  if (name == "cpu") return torch::kCPU;
  if (name != "auto" && name != "cuda") {
    throw Error::Usage("unknown device '" + name + "'", "--device", "use auto, cpu or cuda");
  }
  static const std::string problem = LoadCudaProblem();
  if (problem.empty() && ranks > 1) {
    throw Error::Usage("several ranks train on CPUs only, and this machine has a GPU", "--device",
                       "use --device cpu, or one rank");
  }
  if (problem.empty()) return torch::kCUDA;
  if (name == "cuda") {
    throw Error::Usage("cuda asked for but " + problem, "--device",
                       "use --device cpu, or run tools/setup.sh with STEMSMITH_CUDA=1 where there "
                       "is a GPU");
  }
  if (HasGpu()) Warn("training on the CPU: " + problem);
  return torch::kCPU;
}

int GpuCapability() {
  // Never closed: LibTorch goes on to use it.
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  const auto get_device = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto get_attribute =
      reinterpret_cast<int (*)(int*, int, int)>(dlsym(driver, "cuDeviceGetAttribute"));
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
  int device = 0, major = 0, minor = 0;
  if (get_device == nullptr || get_attribute == nullptr || get_device(&device, 0) != 0 ||
      get_attribute(&major, kMajor, device) != 0 || get_attribute(&minor, kMinor, device) != 0)
    return 0;
  return 10 * major + minor;
}

int PrepareTorch(const torch::Device& device, int threads) {
#ifdef __GLIBC__
  // Every step allocates the same large tensors. By default glibc maps each from the system and
  // gives it back, and clearing the pages anew took a quarter of the step's CPU time; kept in the
  // heap they are reused.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
  at::set_num_threads(ComputeThreads(threads));
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(device.is_cpu(), /*warn_only=*/true);
  // Filling fresh memory with NaN is a debugging aid that costs a pass over every tensor.
  context.setDeterministicFillUninitializedMemory(false);
  context.setDeterministicCuDNN(true);
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
