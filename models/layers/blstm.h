// A bidirectional LSTM over time with a linear layer that brings both directions back to the
// input's width. Traceable: the initial state takes its batch size from the input.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace stemsmith {

class BlstmImpl : public torch::nn::Module {
 public:
  BlstmImpl(std::int64_t channels, std::int64_t layers);
  torch::Tensor forward(const torch::Tensor& x);  // [B, channels, N] → the same

 private:
  std::int64_t layers_;
  torch::nn::LSTM lstm_{nullptr};
  torch::nn::Linear linear_{nullptr};
};
TORCH_MODULE(Blstm);

}  // namespace stemsmith
