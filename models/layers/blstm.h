// A bidirectional LSTM over time with a linear layer that brings both directions back to the
// input's width. Traceable for any batch and length.
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "models/layers/linear.h"

namespace stemsmith {

// All steps [N, B, in] through `lstm` → [N, B, directions · hidden]. Its initial state is zero for
// any batch: without an explicit one nn::LSTM would bake the example's batch size into a trace.
torch::Tensor RunLstm(torch::nn::LSTM& lstm, const torch::Tensor& steps);

struct BlstmOptions {
  // Longer inputs are cut into spans of this many steps that overlap by half, each with an LSTM run
  // of its own; the middle of each span is kept. A multiple of 4; 0: never.
  std::int64_t max_steps = 0;
  bool skip = false;  // adds the input to the output
};

class BlstmImpl : public torch::nn::Module {
 public:
  BlstmImpl(std::int64_t channels, std::int64_t layers, const BlstmOptions& options = {});
  torch::Tensor forward(const torch::Tensor& x);  // [B, channels, N] → the same

 private:
  torch::Tensor Run(const torch::Tensor& x);       // [B, channels, N] → the same
  torch::Tensor RunSpans(const torch::Tensor& x);  // the same in spans
  // What holds for one run and for spans, by rows picked out of tables: for traces.
  torch::Tensor RunRows(const torch::Tensor& x);

  BlstmOptions options_;
  torch::nn::LSTM lstm_{nullptr};
  Linear linear_{nullptr};
};
TORCH_MODULE(Blstm);

}  // namespace stemsmith
