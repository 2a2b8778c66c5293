#include "models/layers/blstm.h"

#include <torch/csrc/jit/frontend/tracer.h>

#include <tuple>

#include "models/layers/traced_size.h"

namespace stemsmith {

torch::Tensor RunLstm(torch::nn::LSTM& lstm, const torch::Tensor& steps) {
  const auto& options = lstm->options;
  const std::int64_t states = options.num_layers() * (options.bidirectional() ? 2 : 1);
  const torch::Tensor zeros = torch::zeros_like(steps.slice(0, 0, 1).slice(2, 0, 1))
                                  .expand({states, -1, options.hidden_size()})
                                  .contiguous();
  return std::get<0>(lstm(steps, std::make_tuple(zeros, zeros)));
}

BlstmImpl::BlstmImpl(std::int64_t channels, std::int64_t layers, const BlstmOptions& options)
    : options_(options) {
  lstm_ = register_module(
      "lstm",
      torch::nn::LSTM(
          torch::nn::LSTMOptions(channels, channels).num_layers(layers).bidirectional(true)));
  linear_ = register_module("linear", Linear(2 * channels, channels));
}

torch::Tensor BlstmImpl::forward(const torch::Tensor& x) {
  torch::Tensor y;
  if (options_.max_steps == 0) {
    y = Run(x);
  } else if (torch::jit::tracer::isTracing()) {
    y = RunRows(x);
  } else {
    y = x.size(2) > options_.max_steps ? RunSpans(x) : Run(x);
  }
  return options_.skip ? y + x : y;
}

torch::Tensor BlstmImpl::Run(const torch::Tensor& x) {
  return linear_(RunLstm(lstm_, x.permute({2, 0, 1}))).permute({1, 2, 0});
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

torch::Tensor BlstmImpl::RunRows(const torch::Tensor& x) {
  const std::int64_t width = options_.max_steps, hop = width / 2, edge = hop / 2;
  const torch::Tensor item = PositionsAlong(x, 0), batch = CountOf(item);       // [B], B
  const torch::Tensor within = PositionsAlong(x.slice(2, 0, width), 2);         // [W]
  const torch::Tensor span = PositionsAlong(x.slice(2, 0, INT64_MAX, hop), 2);  // [spans]
  const auto rows = [](const torch::Tensor& y) { return y.flatten(0, 1); };

  // Row step · B + item; a span begins every `hop` steps, the last ones reach beyond the end.
  const torch::Tensor source =
      ((span * hop).unsqueeze(1) + within.view({-1, 1, 1})) * batch + item;  // [W, spans, B]
  const torch::Tensor padded = torch::constant_pad_nd(x, {0, width}).permute({2, 0, 1});
  const torch::Tensor spans = torch::embedding(rows(padded), source.flatten(1));
  const torch::Tensor y = linear_(RunLstm(lstm_, spans));

  // Step n is taken out of the span in whose middle it lies. Where the first span holds all steps
  // it is as wide as they are, and the one behind it is of no use.
  const torch::Tensor step = PositionsAlong(x, 2);
  const torch::Tensor whole = torch::clamp_max(torch::div(CountOf(step) - 1, width, "floor"), 1);
  const torch::Tensor from = torch::clamp_min(torch::div(step - edge, hop, "floor"), 0) * whole;
  const torch::Tensor target =
      (((step - from * hop) * CountOf(span) + from) * batch).unsqueeze(1) + item;  // [N, B]
  return torch::embedding(rows(y), target).permute({1, 2, 0});
}

}  // namespace stemsmith
