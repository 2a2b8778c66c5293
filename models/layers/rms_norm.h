// Normalisation by the root of the mean square, as the RMSNorm of PyPI BS-RoFormer: what is exactly
// zero stays zero, and anything else, however faint, comes out at full scale.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace stemsmith {

class RmsNormImpl : public torch::nn::Module {
 public:
  explicit RmsNormImpl(std::int64_t width);
  // x [..., width] → the same shape in float32: x / max(‖x‖, 1e-12) · √width · gamma.
  torch::Tensor forward(const torch::Tensor& x);

 private:
  double scale_;
  torch::Tensor gamma_;
};
TORCH_MODULE(RmsNorm);

}  // namespace stemsmith
