// The discrete Fourier transform as two small matrix products with twiddle factors between them
// (Cooley and Tukey 1965): with n_fft = a · b the sample n = b·n1 + n2 and the bin k = k1 + a·k2
// give
//   X[k] = Σ_n2 w_b^(n2·k2) · w_n^(n2·k1) · Σ_n1 w_a^(n1·k1) · x[n],   w_m = exp(-2πi/m).
// ONNX has no FFT that all runtimes know; as one product with a matrix of n_fft × n_fft it would be
// 16 times slower at 4096 and bring along 134 MB of constants.
#pragma once

#include <string>

#include "export/lowering.h"

namespace stemsmith {

class FactoredDft {
 public:
  explicit FactoredDft(std::int64_t n_fft);

  std::int64_t bins() const { return n_fft_ / 2 + 1; }  // F
  // Real frames [B, N, n_fft] → the bins from 0 to n_fft / 2, [B, F, N, 2].
  std::string Forward(GraphBuilder& builder, const std::string& frames) const;
  // [B, F, N, 2] → [B, N, n_fft], scaled as an inverse. As all real inverses do, it takes the first
  // and the last bin as real.
  std::string Inverse(GraphBuilder& builder, const std::string& spectrum) const;

 private:
  // e^(sign · 2πi · row · column / period), [rows, columns] complex in double precision.
  static torch::Tensor Phases(std::int64_t rows, std::int64_t columns, std::int64_t period,
                              int sign);
  // x · twiddle, where x is [.., 2 · a, b] (real rows, then imaginary ones); gives both parts as
  // [.., a, b].
  std::pair<std::string, std::string> Twiddle(GraphBuilder& builder, const std::string& real,
                                              const std::string& imaginary, int sign) const;

  std::int64_t n_fft_, a_, b_;
  std::int64_t columns_;  // how many k2 it takes to cover the bins
};

}  // namespace stemsmith
