#include "models/layers/rms_norm.h"

#include <cmath>

namespace stemsmith {

RmsNormImpl::RmsNormImpl(std::int64_t width) : scale_(std::sqrt(static_cast<double>(width))) {
  gamma_ = register_parameter("gamma", torch::ones({width}));
}

torch::Tensor RmsNormImpl::forward(const torch::Tensor& x) {
  const torch::Tensor wide = x.to(torch::kFloat32);
  const torch::Tensor norm =
      torch::linalg_vector_norm(wide, /*ord=*/2, /*dim=*/-1, /*keepdim=*/true).clamp_min(1e-12);
  return wide / norm * (gamma_ * scale_);
}

}  // namespace stemsmith
