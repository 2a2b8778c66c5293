// Any bytes are a safetensors file or an Error.
#include "core/error.h"
#include "models/checkpoint.h"
#include "tests/fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stemsmith;
  const FuzzFile file(data, size);
  try {
    for (const auto& [name, tensor] : LoadSafetensors(file.path()).tensors)
      if (static_cast<std::size_t>(tensor.nbytes()) > size) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
