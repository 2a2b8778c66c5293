// Windowed-sinc resampling by a factor of two, as convolutions, with the kernels of julius 0.2 (24
// zero crossings, cut-off at 0.945 of the lower Nyquist frequency, squared-cosine window, edges
// replicated).
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace stemsmith {

class DoubleRateImpl : public torch::nn::Module {
 public:
  DoubleRateImpl();
  torch::Tensor forward(const torch::Tensor& waves) const;  // [R, T] → [R, 2T]

 private:
  std::int64_t width_;
  torch::Tensor kernel_;  // [2, 1, K], transient
};
TORCH_MODULE(DoubleRate);

class HalveRateImpl : public torch::nn::Module {
 public:
  HalveRateImpl();
  torch::Tensor forward(const torch::Tensor& waves) const;  // [R, T] → [R, ⌊T/2⌋]

 private:
  std::int64_t width_;
  torch::Tensor kernel_;  // [1, 1, K], transient
};
TORCH_MODULE(HalveRate);

}  // namespace stemsmith
