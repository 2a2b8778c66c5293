#include "models/model_runtime.h"

#include "separate/torch_device.h"

namespace stemsmith {

void ModelRuntime::Run(const float* mix, std::int64_t batch, std::int64_t frames,
                       float* estimates) {
  const torch::NoGradGuard no_grad;
  const ExactFloat32 exact;
  const EvalMode eval(model_);
  const std::int64_t channels = manifest_.channels;
  const auto stems = static_cast<std::int64_t>(manifest_.stems.size());
  // LibTorch has no read-only tensors; nothing writes to this one.
  const torch::Tensor in = torch::from_blob(const_cast<float*>(mix), {batch, channels, frames});
  torch::from_blob(estimates, {batch, stems, channels, frames})
      .copy_(model_.forward(in.to(device_)));
}

}  // namespace stemsmith
