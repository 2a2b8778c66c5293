// Batch norm whose statistics, while it trains, can be those of several processes' batches
// together. Parameters, buffers, names and results are those of LibTorch's; without
// ShareStatistics, so is all else.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <utility>

namespace stemsmith {

// Overwrites a tensor with its sum over all processes; each of them calls it in the same order.
using SumOverRanks = std::function<void(torch::Tensor&)>;

// What the layers below have in common, to be found among a model's modules.
class SharedStatistics {
 public:
  virtual ~SharedStatistics() = default;
  // In training mode mean and variance are then taken over the batches of all processes, and
  // gradients flow through them. Each rank must have at least one value per channel.
  void ShareStatistics(SumOverRanks sum) { sum_ = std::move(sum); }

 protected:
  SumOverRanks sum_;
};

// [B, C] or [B, C, T].
class BatchNorm1dImpl : public torch::nn::BatchNorm1dImpl, public SharedStatistics {
 public:
  using torch::nn::BatchNorm1dImpl::BatchNorm1dImpl;
  torch::Tensor forward(const torch::Tensor& x);
};
TORCH_MODULE(BatchNorm1d);

// [B, C, F, N].
class BatchNorm2dImpl : public torch::nn::BatchNorm2dImpl, public SharedStatistics {
 public:
  using torch::nn::BatchNorm2dImpl::BatchNorm2dImpl;
  torch::Tensor forward(const torch::Tensor& x);
};
TORCH_MODULE(BatchNorm2d);

}  // namespace stemsmith
