#include "models/layers/attention.h"

namespace stemsmith {

namespace nn = torch::nn;

AttentionImpl::AttentionImpl(std::int64_t width, std::int64_t heads, double dropout)
    : width_(width), heads_(heads), dropout_(dropout) {
  in_proj_weight_ = register_parameter("in_proj_weight", torch::empty({3 * width, width}));
  in_proj_bias_ = register_parameter("in_proj_bias", torch::zeros({3 * width}));
  out_proj_ = register_module("out_proj", Linear(width, width));
  const torch::NoGradGuard no_grad;
  nn::init::xavier_uniform_(in_proj_weight_);
  out_proj_->bias.zero_();
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& queries, const torch::Tensor& source) {
  std::vector<torch::Tensor> parts;  // queries, keys, values
  if (queries.is_same(source)) {
    parts = torch::linear(queries, in_proj_weight_, in_proj_bias_).chunk(3, -1);
  } else {
    parts = torch::linear(source, in_proj_weight_.slice(0, width_), in_proj_bias_.slice(0, width_))
                .chunk(2, -1);
    parts.insert(parts.begin(), torch::linear(queries, in_proj_weight_.slice(0, 0, width_),
                                              in_proj_bias_.slice(0, 0, width_)));
  }
  for (torch::Tensor& part : parts)
    part = part.unflatten(-1, {heads_, width_ / heads_}).transpose(1, 2);
  const torch::Tensor found = torch::scaled_dot_product_attention(
      parts[0], parts[1], parts[2], /*attn_mask=*/{}, is_training() ? dropout_ : 0.0);
  return out_proj_(found.transpose(1, 2).flatten(2));
}

}  // namespace stemsmith
