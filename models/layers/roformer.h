// The transformer of band-split and mel-band RoFormers (PyPI BS-RoFormer; ZFTurbo's
// Music-Source-Separation-Training, models/bs_roformer): layers of attention with positions and a
// gate per head, or of linear attention, each with a feed-forward part behind it; normalised before
// each part. Traceable for any number of rows and any length.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "models/layers/rms_norm.h"

namespace stemsmith {

struct RoformerOptions {
  std::int64_t width = 128;  // of tokens
  std::int64_t depth = 1;    // layers
  std::int64_t heads = 8;
  std::int64_t head_width = 64;  // even
  double attention_dropout = 0;  // of weights of attention and of what attention adds; in training
  double feed_forward_dropout = 0;
  bool linear = false;         // attention between the numbers of a token instead of tokens
  bool mixes_values = false;   // values are mixed with those of an earlier transformer
  bool norm_output = false;    // a last normalisation
};

class RoformerImpl : public torch::nn::Module {
 public:
  explicit RoformerImpl(const RoformerOptions& options);

  // x [R, N, width] → the same shape. `turns`: what a Turns gave for N positions; not used
  // with linear attention. `values` [R, N, heads, head_width]: those of the first layer, kept where
  // they are undefined and mixed in where `mixes_values`. `checkpoints`: layers keep their inputs
  // alone for the backward pass.
  torch::Tensor forward(torch::Tensor x, const std::vector<torch::Tensor>& turns,
                        torch::Tensor& values, bool checkpoints);
  // That of a layer, named "layers.<layer>.0".
  torch::nn::Module& attention(std::int64_t layer);

 private:
  torch::nn::ModuleList layers_;
  RmsNorm norm_{nullptr};
};
TORCH_MODULE(Roformer);

}  // namespace stemsmith
