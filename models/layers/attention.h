// Scaled dot-product attention with several heads: torch.nn.MultiheadAttention with its names and
// initialisation, traceable for any batch and length (the original bakes sizes into a trace).
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "models/layers/linear.h"

namespace stemsmith {

class AttentionImpl : public torch::nn::Module {
 public:
  // `heads` divides `width`. `dropout`: of the weights of attention, in training.
  AttentionImpl(std::int64_t width, std::int64_t heads, double dropout);
  // queries [B, N, width], source [B, M, width] → [B, N, width]. `source` may be `queries`.
  torch::Tensor forward(const torch::Tensor& queries, const torch::Tensor& source);

 private:
  std::int64_t width_, heads_;
  double dropout_;
  torch::Tensor in_proj_weight_, in_proj_bias_;  // of queries, keys and values
  Linear out_proj_{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace stemsmith
