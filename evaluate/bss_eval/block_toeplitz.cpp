#include "evaluate/bss_eval/block_toeplitz.h"

#include <optional>

#include "core/error.h"

namespace stemsmith {
namespace {

constexpr double kFirstRegularization = 1e-13, kLastRegularization = 1e-3;
constexpr int kMaxIterations = 200;
constexpr double kSmallestGain = 1e-20;  // of energy: far below what a figure in dB shows

// [B, n, L, R] filters ↔ spectra [B, F, n, R] of twice the length.
torch::Tensor Spectra(const torch::Tensor& filters) {
  return torch::fft_rfft(filters, 2 * filters.size(2), 2).transpose(1, 2).contiguous();
}
torch::Tensor Filters(const torch::Tensor& spectra, std::int64_t length) {
  return torch::fft_irfft(spectra.transpose(1, 2), 2 * length, 2).slice(2, 0, length);
}

// The inverse of a block Toeplitz matrix by its forward and backward predictors A and B with
// errors' covariances Ea and Eb: T⁻¹ = L(A) Ea⁻¹ L(A)ᵀ − L(zB) Eb⁻¹ L(zB)ᵀ, L the lower triangular
// block Toeplitz matrix of a first column, z a delay by one.
class ToeplitzInverse {
 public:
  // None where rounding makes a covariance indefinite.
  static std::optional<ToeplitzInverse> Of(const torch::Tensor& lags, double regularization) {
    const std::int64_t systems = lags.size(0), n = lags.size(1), length = lags.size(3) / 2;
    torch::Tensor ea = lags.select(3, 0).clone();
    ea.diagonal(0, 1, 2).mul_(1 + regularization);
    torch::Tensor eb = ea.clone();
    // [B, n, (L−1)·n]: lags L−1 … 1 side by side.
    const torch::Tensor backwards =
        lags.slice(3, 1, length).flip(3).transpose(2, 3).reshape({systems, n, (length - 1) * n});
    const torch::Tensor unit = torch::eye(n, torch::kDouble);
    torch::Tensor a = torch::zeros({systems, length * n, n}, torch::kDouble);
    a.slice(1, 0, n).copy_(unit);
    torch::Tensor b_store = torch::zeros({systems, 2 * length * n, n}, torch::kDouble);
    std::int64_t b_at = length * n;  // where B begins: a delay moves it up by a block
    b_store.slice(1, b_at, b_at + n).copy_(unit);
    for (std::int64_t p = 0; p + 1 < length; ++p) {
      const auto [root_a, bad_a] = torch::linalg_cholesky_ex(ea);
      const auto [root_b, bad_b] = torch::linalg_cholesky_ex(eb);
      if (Any(bad_a) || Any(bad_b)) return std::nullopt;
      const std::int64_t rows = (p + 1) * n;
      const torch::Tensor rest = backwards.slice(2, (length - 2 - p) * n).bmm(a.slice(1, 0, rows));
      const torch::Tensor to_a = torch::cholesky_solve(rest, root_b).neg_();
      const torch::Tensor to_b = torch::cholesky_solve(rest.mT(), root_a).neg_();
      b_at -= n;
      torch::Tensor a_now = a.slice(1, 0, rows + n);
      torch::Tensor b_now = b_store.slice(1, b_at, b_at + rows + n);
      const torch::Tensor change = b_now.bmm(to_a);
      b_now.baddbmm_(a_now, to_b);
      a_now.add_(change);
      ea.baddbmm_(rest.mT(), to_a);
      eb.baddbmm_(rest, to_b);
    }
    const auto [root_a, bad_a] = torch::linalg_cholesky_ex(ea);
    const auto [root_b, bad_b] = torch::linalg_cholesky_ex(eb);
    if (Any(bad_a) || Any(bad_b)) return std::nullopt;
    const auto column = [&](const torch::Tensor& blocks) {
      return Spectra(blocks.reshape({systems, length, n, n}).transpose(1, 2));
    };
    ToeplitzInverse inverse;
    inverse.a_ = column(a);
    inverse.b_ = column(b_store.slice(1, b_at - n, b_at - n + length * n));
    inverse.ea_ = torch::cholesky_inverse(root_a);
    inverse.eb_ = torch::cholesky_inverse(root_b);
    return inverse;
  }

  // v [B, n, L, R].
  torch::Tensor Times(const torch::Tensor& v) const {
    const torch::Tensor spectra = Spectra(v);
    const std::int64_t length = v.size(2);
    const auto half = [&](const torch::Tensor& triangle, const torch::Tensor& middle) {
      const torch::Tensor u = Filters(triangle.mH().matmul(spectra), length);
      return triangle.matmul(Spectra(middle.bmm(u.flatten(2)).view(u.sizes())));
    };
    return Filters(half(a_, ea_) - half(b_, eb_), length);
  }

 private:
  static bool Any(const torch::Tensor& flags) { return flags.count_nonzero().item<bool>(); }

  torch::Tensor a_, b_;    // [B, F, n, n]
  torch::Tensor ea_, eb_;  // [B, n, n], inverted
};

ToeplitzInverse RegularizedInverse(const torch::Tensor& lags, double& regularization) {
  for (regularization = kFirstRegularization; regularization < kLastRegularization;
       regularization *= 100) {
    if (auto inverse = ToeplitzInverse::Of(lags, regularization)) return *inverse;
  }
  throw Error::Input("the correlations of the stems are no matrix of finite numbers", "BSS eval",
                     "look for NaN or infinite samples");
}

torch::Tensor Energies(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).sum(torch::IntArrayRef{1, 2}, /*keepdim=*/true);  // [B, 1, 1, R]
}

// a / b, and 0 where a column is solved already.
torch::Tensor Ratio(const torch::Tensor& a, const torch::Tensor& b) {
  return torch::where(b > 0, a / b, torch::zeros_like(a));
}

}  // namespace

ToeplitzSolution SolveBlockToeplitz(const torch::Tensor& lags, const torch::Tensor& right) {
  ToeplitzSolution solution;
  solution.filters = torch::zeros_like(right);
  if (right.numel() == 0) return solution;
  const ToeplitzInverse inverse = RegularizedInverse(lags, solution.regularization);
  const torch::Tensor matrix = torch::fft_rfft(lags, {}, 3).permute({0, 3, 1, 2}).contiguous();
  const std::int64_t length = right.size(2);
  torch::Tensor& x = solution.filters;
  torch::Tensor rest = right.clone(), z = inverse.Times(rest), step = z;
  torch::Tensor product = Energies(rest, z), energy = torch::zeros_like(product);
  for (int i = 0; i < kMaxIterations; ++i) {
    const torch::Tensor image = Filters(matrix.matmul(Spectra(step)), length);
    const torch::Tensor size = Ratio(product, Energies(step, image));
    const torch::Tensor gain = size * product;
    energy += gain;
    x += size * step;
    rest -= size * image;
    ++solution.iterations;
    solution.last_gain = Ratio(gain.abs(), energy).max().item<double>();
    if (solution.last_gain < kSmallestGain) break;
    z = inverse.Times(rest);
    const torch::Tensor next = Energies(rest, z);
    step = z + Ratio(next, product) * step;
    product = next;
  }
  return solution;
}

}  // namespace stemsmith
