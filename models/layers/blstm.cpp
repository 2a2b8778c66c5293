#include "models/layers/blstm.h"

#include <tuple>

namespace stemsmith {

BlstmImpl::BlstmImpl(std::int64_t channels, std::int64_t layers, const BlstmOptions& options)
    : layers_(layers), options_(options) {
  lstm_ = register_module(
      "lstm",
      torch::nn::LSTM(
          torch::nn::LSTMOptions(channels, channels).num_layers(layers).bidirectional(true)));
  linear_ = register_module("linear", Linear(2 * channels, channels));
}

torch::Tensor BlstmImpl::forward(const torch::Tensor& x) {
  const bool spans = options_.max_steps > 0 && x.size(2) > options_.max_steps;
  const torch::Tensor y = spans ? RunSpans(x) : Run(x);
  return options_.skip ? y + x : y;
}

torch::Tensor BlstmImpl::Run(const torch::Tensor& x) {
  const torch::Tensor steps = x.permute({2, 0, 1});  // [N, B, channels]
  // Without an explicit state nn::LSTM would bake the example's batch size into a trace.
  const torch::Tensor zeros =
      torch::zeros_like(steps.slice(0, 0, 1)).expand({2 * layers_, -1, -1}).contiguous();
  const torch::Tensor y = std::get<0>(lstm_(steps, std::make_tuple(zeros, zeros)));
  return linear_(y).permute({1, 2, 0});
}

torch::Tensor BlstmImpl::RunSpans(const torch::Tensor& x) {
  const std::int64_t width = options_.max_steps, hop = width / 2, edge = hop / 2;
  const std::int64_t steps = x.size(2);
  const std::int64_t spans = (steps + hop - 1) / hop;
  // A span is two neighbouring blocks of `hop` steps.
  const torch::Tensor blocks =
      torch::constant_pad_nd(x, {0, (spans + 1) * hop - steps}).unflatten(2, {spans + 1, hop});
  const torch::Tensor pairs =
      torch::cat({blocks.slice(2, 0, -1), blocks.slice(2, 1)}, 3);  // [B, channels, spans, width]
  const torch::Tensor y = Run(pairs.transpose(1, 2).flatten(0, 1))
                              .unflatten(0, {-1, spans})
                              .transpose(1, 2);  // [B, channels, spans, width]
  // Of each span its middle; of the first and the last one also the outer edge.
  const torch::Tensor middle = y.slice(3, edge, -edge).flatten(2);
  const torch::Tensor start = y.select(2, 0).slice(2, 0, edge);
  const torch::Tensor end = y.select(2, -1).slice(2, -edge);
  return torch::cat({start, middle, end}, 2).slice(2, 0, steps);
}

}  // namespace stemsmith
