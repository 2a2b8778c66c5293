#include "export/dft.h"

#include <numbers>

namespace stemsmith {
namespace {

// e^(sign · 2πi · turns / period) in double precision; whole numbers.
torch::Tensor Phases(const torch::Tensor& turns, std::int64_t period, int sign) {
  // The remainder keeps the angle small, so that the phase is exact to double precision.
  const torch::Tensor angle = torch::remainder(turns, period).to(torch::kFloat64) *
                              (2.0 * std::numbers::pi * sign / static_cast<double>(period));
  return torch::complex(torch::cos(angle), torch::sin(angle));
}

// The product with complex factors [.., rows, columns] as a real matrix on (re, im) of the columns
// giving (re, im) of the rows, [.., 2 · rows, 2 · columns].
torch::Tensor RealMatrix(const torch::Tensor& factors) {
  const torch::Tensor c = torch::real(factors), s = torch::imag(factors);
  return torch::cat({torch::cat({c, -s}, -1), torch::cat({s, c}, -1)}, -2);
}

std::string Constant(GraphBuilder& builder, const torch::Tensor& values) {
  return builder.Tensor(values.to(torch::kFloat32));
}

}  // namespace

DftMatrices DftMatrices::Forward(std::int64_t n, double scale) {
  const torch::Tensor samples = torch::arange(n, torch::kInt64).view({1, n, 1});
  const torch::Tensor phases =
      Phases(samples * torch::arange(n / 2 + 1, torch::kInt64), n, -1) * scale;
  return {torch::real(phases).to(torch::kFloat32), torch::imag(phases).to(torch::kFloat32)};
}

DftMatrices DftMatrices::Inverse(std::int64_t n, double scale) {
  const DftMatrices forward = Forward(n, scale);
  // Those bins that are left out mirror those there are.
  torch::Tensor weight = torch::full({1, n / 2 + 1, 1}, 2.0f);
  weight[0][0] = weight[0][n / 2] = 1.0f;
  return {forward.real.transpose(1, 2) * weight, forward.imaginary.transpose(1, 2) * weight};
}

FactoredDft::FactoredDft(std::int64_t n_fft) : n_fft_(n_fft), b_(1) {
  for (std::int64_t factor = 1; factor * factor <= n_fft; ++factor) {
    if (n_fft % factor == 0) b_ = factor;
  }
  a_ = n_fft_ / b_;
  half_ = a_ / 2 + 1;
}

torch::Tensor FactoredDft::Bins() const {
  return torch::arange(half_, torch::kInt64).view({half_, 1}) +
         a_ * torch::arange(b_, torch::kInt64);
}

torch::Tensor FactoredDft::InnerPhases(int sign) const {
  const torch::Tensor n2 = torch::arange(b_, torch::kInt64).view({1, 1, b_});
  return Phases(Bins().unsqueeze(2) * n2, n_fft_, sign);
}

torch::Tensor FactoredDft::MirrorSigns() const {
  const torch::Tensor mirrored = Bins() >= bins();
  return torch::cat(
      {torch::ones_like(mirrored, torch::kFloat64), 1.0 - 2.0 * mirrored.to(torch::kFloat64)}, 1);
}

std::string FactoredDft::Forward(GraphBuilder& builder, const std::string& frames) const {
  // The sum over n1, one product for all n2 and frames: [B, (k1, re | im), (n2, N)].
  const torch::Tensor k1 = torch::arange(half_, torch::kInt64).unsqueeze(1);
  const torch::Tensor first = Phases(k1 * torch::arange(a_, torch::kInt64), a_, -1);
  const torch::Tensor outer = torch::stack({torch::real(first), torch::imag(first)}, 1);
  const std::string partial = builder.Emit(
      "MatMul", {Constant(builder, outer.flatten(0, 1)), builder.Reshape(frames, {0, a_, -1})});
  // The sum over n2, one matrix for each k1: [B, k1, (re | im, k2), N].
  const torch::Tensor inner = RealMatrix(InnerPhases(-1)) * MirrorSigns().unsqueeze(2);
  const std::string all = builder.Emit(
      "MatMul", {Constant(builder, inner), builder.Reshape(partial, {0, half_, 2 * b_, -1})});
  // Bin k is at k1 = k mod a, or where that is beyond the half, n_fft - k is.
  std::vector<std::int64_t> rows;
  for (std::int64_t part = 0; part < 2; ++part) {
    for (std::int64_t k = 0; k < bins(); ++k) {
      const std::int64_t bin = k % a_ < half_ ? k : n_fft_ - k;
      rows.push_back((bin % a_ * 2 + part) * b_ + bin / a_);
    }
  }
  const std::string ordered =
      builder.Emit("Gather", {builder.Reshape(all, {0, half_ * 2 * b_, -1}), builder.Ints(rows)},
                   {{"axis", std::int64_t{1}}});
  return builder.Transpose(builder.Reshape(ordered, {0, 2, bins(), -1}), {0, 2, 3, 1});
}

std::string FactoredDft::Inverse(GraphBuilder& builder, const std::string& spectrum) const {
  const std::string planes = builder.Transpose(spectrum, {0, 3, 1, 2});  // [B, 2, F, N]
  std::vector<std::int64_t> rows;
  for (std::int64_t k1 = 0; k1 < half_; ++k1) {
    for (std::int64_t part = 0; part < 2; ++part) {
      for (std::int64_t k2 = 0; k2 < b_; ++k2) {
        const std::int64_t bin = k1 + a_ * k2;
        rows.push_back(part * bins() + (bin < bins() ? bin : n_fft_ - bin));
      }
    }
  }
  const std::string all =
      builder.Emit("Gather", {builder.Reshape(planes, {0, 2 * bins(), -1}), builder.Ints(rows)},
                   {{"axis", std::int64_t{1}}});
  // The sum over k2, one matrix for each k1. Those k1 that are left out mirror those there are.
  torch::Tensor weight =
      torch::full({half_, 1, 1}, 2.0 / static_cast<double>(n_fft_), torch::kFloat64);
  weight[0] /= 2;
  if (a_ % 2 == 0) weight[half_ - 1] /= 2;
  const torch::Tensor inner =
      RealMatrix(InnerPhases(+1).transpose(1, 2)) * MirrorSigns().unsqueeze(1) * weight;
  const std::string partial = builder.Emit(
      "MatMul", {Constant(builder, inner), builder.Reshape(all, {0, half_, 2 * b_, -1})});
  // Of the sum over k1 only the real part: [B, n1, (n2, N)].
  const torch::Tensor n1 = torch::arange(a_, torch::kInt64).unsqueeze(1);
  const torch::Tensor last = Phases(n1 * torch::arange(half_, torch::kInt64), a_, +1);
  const torch::Tensor outer = torch::stack({torch::real(last), -torch::imag(last)}, 2);
  const std::string samples = builder.Emit(
      "MatMul",
      {Constant(builder, outer.flatten(1, 2)), builder.Reshape(partial, {0, 2 * half_, -1})});
  return builder.Reshape(samples, {0, n_fft_, -1});
}

}  // namespace stemsmith
