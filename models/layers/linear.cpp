#include "models/layers/linear.h"

#include <cmath>

namespace stemsmith {

torch::Tensor LinearImpl::forward(const torch::Tensor& x) {
  const torch::Tensor y = torch::linear(x, weight, bias);
  if (!lora_a_.defined()) return y;
  const torch::Tensor kept = dropout_ > 0.0 ? torch::dropout(x, dropout_, is_training()) : x;
  return y + torch::linear(torch::linear(kept, lora_a_), lora_b_) * scale_;
}

void LinearImpl::AddAdapter(std::int64_t rank, double scale, double dropout) {
  const auto like = weight.options();
  lora_a_ = register_parameter("lora_A", torch::empty({rank, weight.size(1)}, like));
  lora_b_ = register_parameter("lora_B", torch::zeros({weight.size(0), rank}, like));
  torch::nn::init::kaiming_uniform_(lora_a_, std::sqrt(5.0));
  scale_ = scale;
  dropout_ = dropout;
}

}  // namespace stemsmith
