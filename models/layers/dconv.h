// The residual branch of Demucs v3 and v4 (demucs/demucs.py: DConv, LocalState; transformer.py:
// LayerScale): dilated convolutions through a narrow waist, with an LSTM and an attention over
// nearby steps in deep levels. Traceable for any batch.
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "models/layers/convolution.h"

namespace stemsmith {

// Scales each channel by a learned factor that starts small.
class LayerScaleImpl : public torch::nn::Module {
 public:
  // `channels_last`: inputs are [B, N, channels] instead of [B, channels, N].
  LayerScaleImpl(std::int64_t channels, double init, bool channels_last = false);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  bool channels_last_;
  torch::Tensor scale_;
};
TORCH_MODULE(LayerScale);

// Attention without positions; learned penalties that grow with the distance keep it local, and a
// step does not look at itself. Adds its input.
class LocalStateImpl : public torch::nn::Module {
 public:
  static constexpr std::int64_t kHeads = 4;   // divides the channels
  static constexpr std::int64_t kDecays = 4;  // slopes of the penalty

  explicit LocalStateImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x);  // [B, channels, N] → the same

 private:
  Conv1d content_{nullptr}, query_{nullptr}, key_{nullptr}, query_decay_{nullptr}, proj_{nullptr};
  torch::Tensor slopes_;  // [kDecays, 1], transient
};
TORCH_MODULE(LocalState);

struct DConvOptions {
  std::int64_t depth = 2;     // branches one after the other; the dilation doubles from one to the
                              // next
  std::int64_t compress = 4;  // the waist has channels / compress channels
  double init = 1e-4;         // of the LayerScale: how much a fresh branch adds
  bool attention = false;
  bool lstm = false;
};

class DConvImpl : public torch::nn::Module {
 public:
  static constexpr std::int64_t kLstmSpan = 200;  // steps; see BlstmOptions

  DConvImpl(std::int64_t channels, const DConvOptions& options);
  torch::Tensor forward(const torch::Tensor& x);  // [B, channels, N] → the same

 private:
  torch::nn::ModuleList layers_;
};
TORCH_MODULE(DConv);

}  // namespace stemsmith
