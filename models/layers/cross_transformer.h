// The cross-domain transformer of HTDemucs (demucs/transformer.py): two stacks, one over the
// spectrogram's tiles and one over the wave's steps; even layers attend within their stack, odd
// layers ask the other stack. Normalised before each block and behind each layer, sine positions.
// Traceable for any batch and length.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <utility>

namespace stemsmith {

struct CrossTransformerOptions {
  std::int64_t width = 512;  // channels; a multiple of 4 and of `heads`
  std::int64_t layers = 5;   // of each stack
  std::int64_t heads = 8;
  double hidden_scale = 4;     // width of the feed-forward part, as a multiple of `width`
  double dropout = 0;          // in training
  double max_period = 10000;   // of the slowest sine, in steps
  double position_weight = 1;  // what the positions are multiplied with
};

class CrossTransformerImpl : public torch::nn::Module {
 public:
  explicit CrossTransformerImpl(const CrossTransformerOptions& options);

  // spectral [B, width, F, N] and temporal [B, width, M] → the same shapes. `checkpoints`: layers
  // keep their inputs alone for the backward pass.
  std::pair<torch::Tensor, torch::Tensor> forward(const torch::Tensor& spectral,
                                                  const torch::Tensor& temporal,
                                                  bool checkpoints = false);

 private:
  torch::Tensor SpectralPositions(const torch::Tensor& spectral) const;  // → [N · F, width]
  torch::Tensor TemporalPositions(const torch::Tensor& temporal) const;  // → [M, width]

  CrossTransformerOptions options_;
  torch::nn::LayerNorm norm_in_{nullptr}, norm_in_t_{nullptr};
  torch::nn::ModuleList layers_, layers_t_;
  torch::Tensor spectral_rates_;    // [width / 4] radians per step, transient
  torch::Tensor temporal_periods_;  // [width / 2] steps per radian, transient
};
TORCH_MODULE(CrossTransformer);

}  // namespace stemsmith
