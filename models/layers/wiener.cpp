#include "models/layers/wiener.h"

#include <cmath>

#include "models/layers/traced_size.h"

namespace stemsmith {
namespace wiener {
namespace {

constexpr double kEpsilon = 1e-10;
// Spectra are scaled down to at most this magnitude, where the epsilon is small.
constexpr double kLargestMagnitude = 10.0;

// Complex numbers as two real tensors.
struct Complex {
  torch::Tensor re, im;
};

Complex Split(const torch::Tensor& x) {
  const auto parts = x.unbind(-1);
  return {parts[0], parts[1]};
}

// One channel or bin of a larger tensor along `dim`.
Complex At(const Complex& x, std::int64_t dim, std::int64_t index) {
  return {x.re.select(dim, index), x.im.select(dim, index)};
}

Complex Multiply(const Complex& a, const Complex& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

torch::Tensor Power(const Complex& x) { return x.re * x.re + x.im * x.im; }

// One step for one channel. mix [.., F, N], y [.., S, F, N], power [.., S, F, N].
Complex StepMono(const Complex& mix, const Complex& y, const torch::Tensor& power,
                 const torch::Tensor& weight) {
  const torch::Tensor spatial = Power(y).sum(-1, /*keepdim=*/true) / weight;  // [.., S, F, 1]
  const torch::Tensor modelled = power * spatial;
  const torch::Tensor total = modelled.sum(-3, /*keepdim=*/true) + std::sqrt(kEpsilon);
  const torch::Tensor gain = spatial * (1 / total) * power;
  return {gain * mix.re.unsqueeze(-3), gain * mix.im.unsqueeze(-3)};
}

// One step for two channels: mix [.., 2, F, N], y [.., S, 2, F, N]. Covariances are Hermitian:
// `left` and `right` are their real diagonal, `cross` is left · conj(right).
Complex StepStereo(const Complex& mix, const Complex& y, const torch::Tensor& power,
                   const torch::Tensor& weight) {
  const Complex y_left = At(y, -3, 0), y_right = At(y, -3, 1);
  const auto spatial = [&](const torch::Tensor& x) {
    return x.sum(-1, /*keepdim=*/true) / weight;  // [.., S, F, 1]
  };
  const torch::Tensor left = spatial(Power(y_left)), right = spatial(Power(y_right));
  const Complex cross = {spatial(y_left.re * y_right.re + y_left.im * y_right.im),
                         spatial(y_left.im * y_right.re - y_left.re * y_right.im)};

  // The covariance that the model gives the mixture, [.., 1, F, N], and its inverse.
  const auto total = [&](const torch::Tensor& x) { return (power * x).sum(-3, /*keepdim=*/true); };
  const torch::Tensor all_left = total(left) + std::sqrt(kEpsilon);
  const torch::Tensor all_right = total(right) + std::sqrt(kEpsilon);
  const Complex all_cross = {total(cross.re), total(cross.im)};
  const torch::Tensor determinant = all_left * all_right - Power(all_cross);
  const torch::Tensor scale = determinant / (determinant * determinant);
  const torch::Tensor inverse_left = scale * all_right, inverse_right = scale * all_left;
  const Complex inverse_cross = {-scale * all_cross.re, -scale * all_cross.im};

  // gain = power · covariance · inverse, a 2×2 matrix per source, bin and frame.
  const auto scaled = [](const Complex& a, const torch::Tensor& b) {
    return Complex{a.re * b, a.im * b};
  };
  const auto sum = [](const Complex& a, const Complex& b) {
    return Complex{a.re + b.re, a.im + b.im};
  };
  const auto conjugate = [](const Complex& a) { return Complex{a.re, -a.im}; };
  const Complex cross_conjugate = conjugate(cross), inverse_conjugate = conjugate(inverse_cross);
  const Complex product = Multiply(cross, inverse_conjugate);
  const Complex product_conjugate = Multiply(cross_conjugate, inverse_cross);
  const Complex gain_ll = {left * inverse_left + product.re, product.im};
  const Complex gain_lr = sum(scaled(inverse_cross, left), scaled(cross, inverse_right));
  const Complex gain_rl =
      sum(scaled(cross_conjugate, inverse_left), scaled(inverse_conjugate, right));
  const Complex gain_rr = {product_conjugate.re + right * inverse_right, product_conjugate.im};

  const Complex mix_left = {mix.re.narrow(-3, 0, 1), mix.im.narrow(-3, 0, 1)};
  const Complex mix_right = {mix.re.narrow(-3, 1, 1), mix.im.narrow(-3, 1, 1)};
  const auto apply = [&](const Complex& from_left, const Complex& from_right) {
    return sum(Multiply(scaled(from_left, power), mix_left),
               Multiply(scaled(from_right, power), mix_right));
  };
  const Complex new_left = apply(gain_ll, gain_lr), new_right = apply(gain_rl, gain_rr);
  return {torch::stack({new_left.re, new_right.re}, -3),
          torch::stack({new_left.im, new_right.im}, -3)};
}

// All iterations on windows: mix [.., C, F, N], y [.., S, C, F, N].
Complex Refine(Complex mix, Complex y, std::int64_t iterations) {
  const bool stereo = mix.re.size(-3) == 2;
  const torch::Tensor largest =
      torch::sqrt(Power(mix)).amax({-3, -2, -1}, /*keepdim=*/true) / kLargestMagnitude;
  const torch::Tensor scale = torch::clamp_min(largest, 1.0);  // [.., 1, 1, 1]
  mix = {mix.re / scale, mix.im / scale};
  const torch::Tensor scale_y = scale.unsqueeze(-4);
  y = {y.re / scale_y, y.im / scale_y};
  for (std::int64_t i = 0; i < iterations; ++i) {
    const torch::Tensor power = Power(y).mean(-3);                            // [.., S, F, N]
    const torch::Tensor weight = power.sum(-1, /*keepdim=*/true) + kEpsilon;  // [.., S, F, 1]
    if (stereo) {
      y = StepStereo(mix, y, power, weight);
    } else {
      y = StepMono({mix.re.squeeze(-3), mix.im.squeeze(-3)}, {y.re.squeeze(-3), y.im.squeeze(-3)},
                   power, weight);
      y = {y.re.unsqueeze(-3), y.im.unsqueeze(-3)};
    }
  }
  return {y.re * scale_y, y.im * scale_y};
}

}  // namespace
}  // namespace wiener

torch::Tensor RefineByWiener(const torch::Tensor& mix, const torch::Tensor& estimates,
                             const WienerOptions& options) {
  using wiener::Refine;
  wiener::Complex x = wiener::Split(mix), y = wiener::Split(estimates);
  const std::int64_t window = options.window_frames;
  if (window == 0) {
    y = Refine(x, y, options.iterations);
    return torch::stack({y.re, y.im}, -1);
  }
  // [.., F, N] → [B, W, .., F, window]: the last window is filled up with silence, which adds
  // nothing to any sum.
  const auto windows = [&](const torch::Tensor& t) {
    const torch::Tensor filled = torch::constant_pad_nd(t, {0, window - 1});
    return filled.unfold(-1, window, window).movedim(-2, 1);
  };
  x = {windows(x.re), windows(x.im)};
  y = {windows(y.re), windows(y.im)};
  y = Refine(x, y, options.iterations);
  const auto joined = [&](const torch::Tensor& t) {  // [B, W, S, C, F, window] → [B, S, C, F, N]
    return SliceToSizeOf(t.movedim(1, -2).flatten(-2), /*dim=*/4, mix, /*like_dim=*/3);
  };
  return torch::stack({joined(y.re), joined(y.im)}, -1);
}

}  // namespace stemsmith
