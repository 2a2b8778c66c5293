// What tells attention where a token stands: numbers of places, and turns of queries and keys by
// angles that grow with them. Traceable for any length.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace stemsmith {

// 0, 1, 2 … along `dim` of x, as [size, 1] of x's type.
torch::Tensor Positions(const torch::Tensor& x, std::int64_t dim);

// Turns of queries and keys by angles that grow with their positions.
class Turns : public torch::nn::Module {
 public:
  // positions [N, 1] → cosines and sines of the angles.
  virtual std::vector<torch::Tensor> Of(const torch::Tensor& positions) const = 0;
};

// Rotary positions (Su et al., "RoFormer", 2021) as in PyPI rotary-embedding-torch: neighbouring
// pairs of a head's numbers are turned by position · 10000^(-2i / width).
class Rotary : public Turns {
 public:
  explicit Rotary(std::int64_t head_width);  // even
  // → {[N, 1, width / 2, 2]}, for queries and keys.
  std::vector<torch::Tensor> Of(const torch::Tensor& positions) const override;

 private:
  torch::Tensor freqs_;  // [width / 2] radians per step; constant, but stored as in the original
};

// Polar positions (PoPE, arXiv 2509.10534; PyPI PoPE-pytorch): every number becomes a magnitude
// whose angle is position · 10000^(-i / width), in keys with a trained bias in [-2π, 0].
class Pope : public Turns {
 public:
  Pope(std::int64_t heads, std::int64_t head_width);
  // → those of queries [N, 1, width, 2] and of keys [N, heads, width, 2].
  std::vector<torch::Tensor> Of(const torch::Tensor& positions) const override;

 private:
  torch::Tensor bias_;       // [heads, width]
  torch::Tensor inv_freqs_;  // [width] radians per step; constant
};

// Queries and keys x [R, N, 2, heads, width] turned by what a Turns gave: [R, N, heads, width]
// each, of twice the width where there are two. In float32.
std::pair<torch::Tensor, torch::Tensor> TurnQueriesAndKeys(const torch::Tensor& x,
                                                           const std::vector<torch::Tensor>& turns);

}  // namespace stemsmith
