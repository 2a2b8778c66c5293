#include "train/precision.h"

#include <ATen/cpu/Utils.h>

#include <algorithm>

#include "core/device.h"
#include "core/error.h"

namespace stemsmith {
namespace {

bool CpuHasBfloat16() {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* name : {"avx512_bf16", "amx_bf16"}) {
    const auto found = capabilities.find(name);
    if (found != capabilities.end() && found->second.isBool() && found->second.toBool())
      return true;
  }
  return false;
}

}  // namespace

std::string CpuPrecisionProblem(const std::string& name, bool has_bfloat16) {
  if (name == "float16") return "float16 needs a GPU: on a CPU it is slower than float32";
  if (name == "bfloat16" && !has_bfloat16) {
    return "this processor has no arithmetic in bfloat16 (neither avx512_bf16 nor amx_bf16): it "
           "would be many times slower than float32";
  }
  return "";
}

std::string GpuPrecisionProblem(const std::string& name, int capability) {
  const int wanted = name == "bfloat16" ? 80 : name == "float16" ? 70 : 0;
  if (capability >= wanted) return "";
  const auto text = [](int version) {
    return std::to_string(version / 10) + "." + std::to_string(version % 10);
  };
  return "this GPU has no fast arithmetic in " + name + ": its compute capability is " +
         text(capability) + ", and " + text(wanted) + " is the first that has";
}

std::optional<at::ScalarType> ChoosePrecision(const std::string& name, const torch::Device& device,
                                              const Config& train, bool anywhere) {
  if (name == "float32") return std::nullopt;
  const std::string problem =
      device.is_cuda() ? GpuPrecisionProblem(name, GpuCapability(std::max<int>(0, device.index())))
                       : CpuPrecisionProblem(name, CpuHasBfloat16());
  if (!problem.empty() && !anywhere) {
    throw Error::Usage(
        problem, train.Where("precision"),
        device.is_cuda() && name == "bfloat16" ? "use float16 or float32" : "use float32");
  }
  return name == "bfloat16" ? at::kBFloat16 : at::kHalf;
}

}  // namespace stemsmith
