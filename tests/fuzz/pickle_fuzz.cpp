// Any bytes are a pickle or an Error.
#include <cstddef>
#include <cstdint>

#include "core/error.h"
#include "models/weights/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stemsmith;
  try {
    const Pickle pickle = ReadPickle({reinterpret_cast<const char*>(data), size}, "fuzz");
    // What every reader of a pickle relies on.
    for (const PickleNode& node : pickle.nodes)
      for (const PickleId item : node.items)
        if (item >= pickle.nodes.size()) __builtin_trap();
    for (const PickleTensor& tensor : pickle.tensors) {
      const auto stored = static_cast<std::int64_t>(pickle.storages.at(tensor.storage).elements);
      std::int64_t last = tensor.offset;
      for (std::size_t d = 0; d < tensor.sizes.size() && tensor.elements > 0; ++d)
        last += (tensor.sizes[d] - 1) * tensor.strides.at(d);
      if (tensor.elements > stored || (tensor.elements > 0 && last >= stored)) __builtin_trap();
    }
    pickle.root().Find("state");
  } catch (const Error&) {
  }
  return 0;
}
