#include "models/layers/blstm.h"

#include <tuple>

namespace stemsmith {

BlstmImpl::BlstmImpl(std::int64_t channels, std::int64_t layers) : layers_(layers) {
  lstm_ = register_module(
      "lstm",
      torch::nn::LSTM(
          torch::nn::LSTMOptions(channels, channels).num_layers(layers).bidirectional(true)));
  linear_ = register_module("linear", torch::nn::Linear(2 * channels, channels));
}

torch::Tensor BlstmImpl::forward(const torch::Tensor& x) {
  const torch::Tensor steps = x.permute({2, 0, 1});  // [N, B, channels]
  // Without an explicit state nn::LSTM would bake the example's batch size into a trace.
  const torch::Tensor zeros =
      torch::zeros_like(steps.slice(0, 0, 1)).expand({2 * layers_, -1, -1}).contiguous();
  const torch::Tensor y = std::get<0>(lstm_(steps, std::make_tuple(zeros, zeros)));
  return linear_(y).permute({1, 2, 0});
}

}  // namespace stemsmith
