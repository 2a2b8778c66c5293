// Any bytes are a file of torch.save with tensors that can be read to their last number, or an
// Error.
#include "core/error.h"
#include "models/weights/torch_file.h"
#include "tests/fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stemsmith;
  const FuzzFile bytes(data, size);
  try {
    TorchFile file(bytes.path());
    const PickleValue root = file.root();
    for (std::size_t i = 0; root.Is(PickleKind::kDict) && i < root.size(); ++i)
      if (root.value(i).Is(PickleKind::kTensor)) file.Tensor(root.value(i), "x").contiguous();
  } catch (const Error&) {
  }
  return 0;
}
