#include "models/build_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace stemsmith {
namespace {

// LibTorch tells it of every tensor's memory that this thread takes and gives back.
class Limit : public c10::MemoryReportingInfoBase {
 public:
  Limit(std::int64_t most_bytes, Error refusal)
      : most_bytes_(most_bytes), refusal_(std::move(refusal)) {}

  void reportMemoryUsage(void* memory, std::int64_t bytes, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device device) override {
    if (!device.is_cpu()) return;
    taken_ += bytes;
    if (bytes <= 0 || taken_ <= most_bytes_) return;
    taken_ -= bytes;
    c10::free_cpu(memory);  // nobody owns it yet
    throw refusal_;
  }

  void reportOutOfMemory(std::int64_t /*bytes*/, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device /*device*/) override {
    throw refusal_;
  }

  bool memoryProfilingEnabled() const override { return true; }

 private:
  const std::int64_t most_bytes_;
  const Error refusal_;
  std::int64_t taken_ = 0;
};

constexpr auto kKind = c10::DebugInfoKind::PROFILER_STATE;

}  // namespace

BuildMemory::BuildMemory(std::int64_t most_bytes, Error refusal) {
  if (c10::ThreadLocalDebugInfo::get(kKind) != nullptr) return;
  guard_.emplace(kKind, std::make_shared<Limit>(most_bytes, std::move(refusal)));
}

std::int64_t MemoryBytes() {
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

}  // namespace stemsmith
