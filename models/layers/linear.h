// The fully connected layer of all models: torch's, with room for a low-rank adapter (Hu et al.
// 2021, "LoRA", arXiv:2106.09685).
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace stemsmith {

class LinearImpl : public torch::nn::LinearImpl {
 public:
  using torch::nn::LinearImpl::LinearImpl;

  // x [..., in] → x · Wᵀ + b, and with an adapter + scale · dropout(x) · Aᵀ · Bᵀ.
  torch::Tensor forward(const torch::Tensor& x);

  // Registers the parameters lora_A [rank, in], random, and lora_B [out, rank], zeros: at first the
  // layer computes what it did. `dropout`: of what goes into the adapter, in training.
  void AddAdapter(std::int64_t rank, double scale, double dropout);

 private:
  torch::Tensor lora_a_, lora_b_;  // undefined without an adapter
  double scale_ = 0.0, dropout_ = 0.0;
};
TORCH_MODULE(Linear);

}  // namespace stemsmith
