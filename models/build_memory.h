// A limit on the memory that building a model may take. A configuration of a few bytes may describe
// a model of any size; past the limit an Error is thrown before the memory is touched.
#pragma once

#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstdint>
#include <optional>

#include "core/error.h"

namespace stemsmith {

// While it lives, of the tensors that this thread makes on the CPU. Within another's life it does
// nothing: the outer one knows more.
class BuildMemory {
 public:
  // `refusal` is thrown.
  BuildMemory(std::int64_t most_bytes, Error refusal);
  BuildMemory(const BuildMemory&) = delete;
  BuildMemory& operator=(const BuildMemory&) = delete;

 private:
  std::optional<c10::DebugInfoGuard> guard_;
};

// Of this machine.
std::int64_t MemoryBytes();

}  // namespace stemsmith
