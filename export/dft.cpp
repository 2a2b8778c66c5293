#include "export/dft.h"

#include <numbers>

namespace stemsmith {

FactoredDft::FactoredDft(std::int64_t n_fft) : n_fft_(n_fft), a_(1) {
  for (std::int64_t factor = 1; factor * factor <= n_fft; ++factor) {
    if (n_fft % factor == 0) a_ = factor;
  }
  b_ = n_fft_ / a_;
  columns_ = (bins() + a_ - 1) / a_;
}

torch::Tensor FactoredDft::Phases(std::int64_t rows, std::int64_t columns, std::int64_t period,
                                  int sign) {
  const torch::Tensor row = torch::arange(rows, torch::kInt64).unsqueeze(1);
  const torch::Tensor column = torch::arange(columns, torch::kInt64).unsqueeze(0);
  // The remainder keeps the angle small, so that the phase is exact to double precision.
  const torch::Tensor turns = torch::remainder(row * column, period).to(torch::kFloat64);
  const torch::Tensor angle = turns * (2.0 * std::numbers::pi * sign / static_cast<double>(period));
  return torch::complex(torch::cos(angle), torch::sin(angle));
}

std::pair<std::string, std::string> FactoredDft::Twiddle(GraphBuilder& builder,
                                                         const std::string& real,
                                                         const std::string& imaginary,
                                                         int sign) const {
  const torch::Tensor phases = Phases(a_, b_, n_fft_, sign);
  const std::string cosine = builder.Tensor(torch::real(phases).to(torch::kFloat32));
  const std::string sine = builder.Tensor(torch::imag(phases).to(torch::kFloat32));
  const auto times = [&](const std::string& x, const std::string& y) {
    return builder.Emit("Mul", {x, y});
  };
  return {builder.Emit("Sub", {times(real, cosine), times(imaginary, sine)}),
          builder.Emit("Add", {times(real, sine), times(imaginary, cosine)})};
}

std::string FactoredDft::Forward(GraphBuilder& builder, const std::string& frames) const {
  // [B, N, n1 = a, n2 = b]; the product from the left sums over n1 and puts the imaginary parts
  // below the real ones.
  const std::string x = builder.Reshape(frames, {0, 0, a_, b_});
  const torch::Tensor first = Phases(a_, a_, a_, -1);
  const torch::Tensor stacked = torch::cat({torch::real(first), torch::imag(first)}, 0);
  const std::string inner =
      builder.Emit("MatMul", {builder.Tensor(stacked.to(torch::kFloat32)), x});
  const auto parts = builder.Split(inner, 2, 2);  // [B, N, k1, n2] each
  const auto [real, imaginary] = Twiddle(builder, parts[0], parts[1], -1);

  // The sum over n2 from the right: (re | im) · [[c, s], [-s, c]] gives (re | im) of each k2.
  const torch::Tensor second = Phases(b_, columns_, b_, -1);
  const torch::Tensor c = torch::real(second), s = torch::imag(second);
  const torch::Tensor matrix = torch::cat({torch::cat({c, s}, 1), torch::cat({-s, c}, 1)}, 0);
  const std::string outer = builder.Emit("MatMul", {builder.Concat({real, imaginary}, -1),
                                                    builder.Tensor(matrix.to(torch::kFloat32))});
  // [B, N, k1, 2, k2] → [B, k2, k1, N, 2] → [B, k, N, 2]
  const std::string apart = builder.Reshape(outer, {0, 0, a_, 2, columns_});
  const std::string turned = builder.Transpose(apart, {0, 4, 2, 1, 3});
  // N, and maybe B, are not known here: the shape is taken from the tensor, with k2 and k1 joined.
  const std::string shape = builder.Emit("Shape", {turned});
  const std::string joined = builder.Concat(
      {builder.Slice(shape, 0, 0, 1), builder.Ints({columns_ * a_}), builder.Slice(shape, 0, 3, 5)},
      0);
  return builder.Slice(builder.Emit("Reshape", {turned, joined}), 1, 0, bins());
}

std::string FactoredDft::Inverse(GraphBuilder& builder, const std::string& spectrum) const {
  // x[n] = 1/n Σ over all bins; those left out mirror those given, so these count twice, but for
  // the first and, where there is one, the middle.
  torch::Tensor weight =
      torch::full({bins(), 1, 1}, 2.0 / static_cast<double>(n_fft_), torch::kFloat64);
  weight[0] /= 2;
  if (n_fft_ % 2 == 0) weight[bins() - 1] /= 2;
  std::string x = builder.Emit("Mul", {spectrum, builder.Tensor(weight.to(torch::kFloat32))});
  const std::int64_t missing = columns_ * a_ - bins();
  if (missing > 0) {
    x = builder.Emit("Pad", {x, builder.Ints({0, 0, 0, 0, 0, missing, 0, 0})});
  }
  // [B, k, N, 2] → [B, k2, k1, N, 2] → [B, N, k1, 2, k2] → [B, N, k1, (re | im of k2)]
  const std::string shape = builder.Emit("Shape", {x});
  const std::string apart = builder.Concat(
      {builder.Slice(shape, 0, 0, 1), builder.Ints({columns_, a_}), builder.Slice(shape, 0, 2, 4)},
      0);
  const std::string turned =
      builder.Transpose(builder.Emit("Reshape", {x, apart}), {0, 3, 2, 4, 1});
  const std::string rows = builder.Reshape(turned, {0, 0, 0, 2 * columns_});

  const torch::Tensor second = Phases(columns_, b_, b_, +1);
  const torch::Tensor c = torch::real(second), s = torch::imag(second);
  const torch::Tensor matrix = torch::cat({torch::cat({c, s}, 1), torch::cat({-s, c}, 1)}, 0);
  const std::string inner =
      builder.Emit("MatMul", {rows, builder.Tensor(matrix.to(torch::kFloat32))});
  const auto parts = builder.Split(inner, -1, 2);  // [B, N, k1, n2] each
  const auto [real, imaginary] = Twiddle(builder, parts[0], parts[1], +1);

  // Of the sum over k1 only the real part: [c | -s] · (re above im).
  const torch::Tensor first = Phases(a_, a_, a_, +1);
  const torch::Tensor halves = torch::cat({torch::real(first), -torch::imag(first)}, 1);
  const std::string samples = builder.Emit(
      "MatMul", {builder.Tensor(halves.to(torch::kFloat32)), builder.Concat({real, imaginary}, 2)});
  return builder.Reshape(samples, {0, 0, n_fft_});
}

}  // namespace stemsmith
