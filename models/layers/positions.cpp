#include "models/layers/positions.h"

#include <cmath>

#include "models/layers/traced_size.h"

namespace stemsmith {
namespace {

constexpr double kTheta = 10000;

// [...] → [..., 2]
torch::Tensor CosinesAndSines(const torch::Tensor& angles) {
  return torch::stack({angles.cos(), angles.sin()}, -1);
}

}  // namespace

torch::Tensor Positions(const torch::Tensor& x, std::int64_t dim) {
  return PositionsAlong(x, dim, x.scalar_type()).unsqueeze(1);
}

// Rates are computed as the originals do, so that the values agree to the last bits.
Rotary::Rotary(std::int64_t head_width) {
  const torch::Tensor exponents =
      torch::arange(0, head_width, 2).to(torch::kFloat32) / static_cast<double>(head_width);
  freqs_ = register_buffer("freqs", torch::pow(kTheta, exponents).reciprocal());
}

std::vector<torch::Tensor> Rotary::Of(const torch::Tensor& positions) const {
  return {CosinesAndSines(positions * freqs_).unsqueeze(1)};
}

Pope::Pope(std::int64_t heads, std::int64_t head_width) {
  bias_ = register_parameter("bias", torch::zeros({heads, head_width}));
  const torch::Tensor exponents =
      -(torch::arange(head_width).to(torch::kFloat32) / static_cast<double>(head_width));
  inv_freqs_ = register_buffer("inv_freqs", torch::pow(kTheta, exponents));
}

std::vector<torch::Tensor> Pope::Of(const torch::Tensor& positions) const {
  const torch::Tensor angles = (positions * inv_freqs_).unsqueeze(1);
  return {CosinesAndSines(angles), CosinesAndSines(angles + bias_.clamp(-2 * M_PI, 0.0))};
}

std::pair<torch::Tensor, torch::Tensor> TurnQueriesAndKeys(
    const torch::Tensor& x, const std::vector<torch::Tensor>& turns) {
  const torch::Tensor wide = x.to(torch::kFloat32);
  if (turns.size() == 1) {
    // One complex product is one pass over both.
    const torch::Tensor pairs = torch::view_as_complex(wide.unflatten(-1, {-1, 2}));
    const torch::Tensor turned =
        torch::view_as_real(pairs * torch::view_as_complex(turns[0]).unsqueeze(1)).flatten(-2);
    return {turned.select(2, 0), turned.select(2, 1)};
  }
  const auto turn = [&](std::int64_t place) {
    const torch::Tensor magnitudes = torch::softplus(wide.select(2, place));
    return (magnitudes.unsqueeze(-1) * turns[static_cast<std::size_t>(place)]).flatten(-2);
  };
  return {turn(0), turn(1)};
}

}  // namespace stemsmith
