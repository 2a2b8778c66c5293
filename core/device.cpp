#include "core/device.h"

#include <dlfcn.h>

#include "core/error.h"
#include "core/numbers.h"
#include "core/option.h"

namespace stemsmith {
namespace {

constexpr char kCuda[] = "cuda";

// Of libcuda.so.1, which is never closed: whoever computes on a GPU goes on to use it.
template <typename Function>
Function* DriverFunction(const char* name) {
  static void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return driver == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(driver, name));
}

CudaDriver Ask() {
  CudaDriver driver;
  const auto init = DriverFunction<int(unsigned)>("cuInit");
  const auto get_version = DriverFunction<int(int*)>("cuDriverGetVersion");
  const auto get_count = DriverFunction<int(int*)>("cuDeviceGetCount");
  if (init == nullptr || get_version == nullptr || get_count == nullptr) {
    driver.problem = "this machine has no NVIDIA driver (libcuda.so.1)";
  } else if (const int status = init(0); status != 0) {
    driver.problem =
        "the NVIDIA driver does not start (cuInit gives " + std::to_string(status) + ")";
  } else if (get_count(&driver.devices) != 0 || driver.devices == 0) {
    driver.problem = "the NVIDIA driver sees no GPU";
  } else {
    get_version(&driver.newest_cuda);
  }
  return driver;
}

}  // namespace

Device::Device(const std::string& name) {
  const std::string prefix = std::string(kCuda) + ":";
  if (name == "auto") return;
  kind = name == "cpu" ? Kind::kCpu : Kind::kCuda;
  if (name == "cpu" || name == kCuda) return;
  const auto number = name.starts_with(prefix)
                          ? NumberIn<int>(name.substr(prefix.size()), {0, 1023})
                          : std::nullopt;
  if (!number) {
    throw Error::Usage("unknown device '" + name + "'", Option("device"),
                       "use auto, cpu, cuda, or cuda:1 for the second GPU");
  }
  index = *number;
}

std::string Device::Name() const {
  if (kind == Kind::kAuto) return "auto";
  if (kind == Kind::kCpu) return "cpu";
  return index == 0 ? kCuda : kCuda + (":" + std::to_string(index));
}

const CudaDriver& AskCudaDriver() {
  static const CudaDriver driver = Ask();
  return driver;
}

std::string GpuProblem(const Device& device, const CudaDriver& driver) {
  if (!driver.problem.empty() || device.index < driver.devices) return driver.problem;
  return driver.devices == 1 ? "this machine has 1 GPU, cuda:0"
                             : "this machine has " + std::to_string(driver.devices) +
                                   " GPUs, cuda:0 to cuda:" + std::to_string(driver.devices - 1);
}

int GpuCapability(int index) {
  const auto get_device = DriverFunction<int(int*, int)>("cuDeviceGet");
  const auto get_attribute = DriverFunction<int(int*, int, int)>("cuDeviceGetAttribute");
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
  int device = 0, major = 0, minor = 0;
  if (!AskCudaDriver().problem.empty() || get_device == nullptr || get_attribute == nullptr ||
      get_device(&device, index) != 0 || get_attribute(&major, kMajor, device) != 0 ||
      get_attribute(&minor, kMinor, device) != 0)
    return 0;
  return 10 * major + minor;
}

}  // namespace stemsmith
