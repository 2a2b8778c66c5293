#include "models/model_for_weights.h"

#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include "core/error.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kSpareBytes = std::int64_t{1} << 30;

// LibTorch tells it of every tensor's memory that this thread takes and gives back.
class MemoryLimit : public c10::MemoryReportingInfoBase {
 public:
  MemoryLimit(std::int64_t weight_bytes, std::string where)
      : weight_bytes_(weight_bytes), where_(std::move(where)) {}

  void reportMemoryUsage(void* memory, std::int64_t bytes, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device device) override {
    if (!device.is_cpu()) return;
    taken_ += bytes;
    if (bytes <= 0 || taken_ <= 4 * weight_bytes_ + kSpareBytes) return;
    taken_ -= bytes;
    c10::free_cpu(memory);  // nobody owns it yet
    Refuse();
  }

  void reportOutOfMemory(std::int64_t /*bytes*/, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device /*device*/) override {
    Refuse();
  }

  bool memoryProfilingEnabled() const override { return true; }

 private:
  [[noreturn]] void Refuse() const {
    throw Error::Input("the model described takes far more memory than the weights with it (" +
                           std::to_string(weight_bytes_ >> 20) + " MiB)",
                       where_, "the file is damaged, or the configuration is of another model");
  }

  std::int64_t weight_bytes_;
  std::int64_t taken_ = 0;
  std::string where_;
};

}  // namespace

std::shared_ptr<SeparationModel> MakeModelFor(const NamedTensors& weights, const Config& config,
                                              const ModelSetting& setting) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : weights)
    bytes += tensor.numel() * static_cast<std::int64_t>(sizeof(float));
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE,
                                  std::make_shared<MemoryLimit>(bytes, config.Where()));
  return MakeModel(config, setting);
}

}  // namespace stemsmith
