#include "separate/torch_device.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <filesystem>

#include "core/error.h"
#include "core/option.h"

namespace stemsmith {
namespace {

std::filesystem::path TorchLibraryFolder() {
  Dl_info info{};
  // Any function of libtorch_cpu.so.
  if (dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info) == 0 ||
      info.dli_fname == nullptr)
    return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

std::string LoadCuda() {
  const CudaDriver& driver = AskCudaDriver();
  if (!driver.problem.empty()) return driver.problem;
  const std::filesystem::path library = TorchLibraryFolder() / "libtorch_cuda.so";
  if (!std::filesystem::exists(library))
    return "LibTorch is a CPU build: no libtorch_cuda.so in " + library.parent_path().string();
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* reason = dlerror();
    return "libtorch_cuda.so does not load: " + std::string(reason != nullptr ? reason : "");
  }
  try {
    if (torch::cuda::is_available()) return "";
  } catch (const std::exception&) {
    // Said below.
  }
  return "the NVIDIA driver takes CUDA up to " + std::to_string(driver.newest_cuda / 1000) + "." +
         std::to_string(driver.newest_cuda % 1000 / 10) +
         ", older than LibTorch's (CUDA 13 needs driver 580 or newer)";
}

}  // namespace

const std::string& TorchCudaProblem() {
  static const std::string problem = LoadCuda();
  return problem;
}

torch::Device TorchDevice(const Device& device) {
  if (device.kind == Device::Kind::kCpu) return torch::kCPU;
  std::string problem = TorchCudaProblem();
  if (problem.empty()) problem = GpuProblem(device);
  if (problem.empty()) {
    // Without a number it is the first one, and is called so in checkpoints.
    return device.index == 0
               ? torch::Device(torch::kCUDA)
               : torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(device.index));
  }
  if (device.kind == Device::Kind::kAuto) return torch::kCPU;
  throw Error::Usage(device.Name() + " asked for but " + problem, Option("device"),
                     "use " + Option("device", "cpu") +
                         ", or run tools/setup.sh with STEMSMITH_CUDA=1 where there is "
                         "a GPU");
}

Float32Settings Float32Settings::Now() {
  const at::Context& context = at::globalContext();
  return {context.allowTF32CuDNN(), context.allowTF32CuBLAS()};
}

void Float32Settings::Set() const {
  at::globalContext().setAllowTF32CuDNN(tf32_in_convolutions);
  at::globalContext().setAllowTF32CuBLAS(tf32_in_products);
}

}  // namespace stemsmith
