// The discrete Fourier transform as two small matrix products (Cooley and Tukey 1965): with
// n_fft = a · b the sample n = b·n1 + n2 and the bin k = k1 + a·k2 give
//   X[k] = Σ_n2 w_n^(n2·k) · Σ_n1 w_a^(n1·k1) · x[n],   w_m = exp(-2πi/m).
// Time runs along the last dimension throughout, so that nothing is transposed, and as the samples
// are real half of the k1 are enough. ONNX has no FFT that all runtimes know; as one product with a
// matrix of n_fft × n_fft it would be 12 times as much work at 4096 and bring along 134 MB of
// constants.
#pragma once

#include <string>

#include "export/lowering.h"

namespace stemsmith {

// The whole transform of a few hundred real samples as products with two matrices.
struct DftMatrices {
  // [1, n, bins] each, of samples · matrix: of three dimensions, so that they are not taken for
  // weights that can be rounded to 8 bits.
  torch::Tensor real, imaginary;

  // Bins from 0 to n / 2 of n samples, times `scale`.
  static DftMatrices Forward(std::int64_t n, double scale);
  // [1, bins, n] each, of the sum of parts · matrix, for an even n; likewise.
  static DftMatrices Inverse(std::int64_t n, double scale);
};

class FactoredDft {
 public:
  explicit FactoredDft(std::int64_t n_fft);

  std::int64_t bins() const { return n_fft_ / 2 + 1; }  // F
  // Real frames [B, n_fft, N] → the bins from 0 to n_fft / 2, [B, F, N, 2].
  std::string Forward(GraphBuilder& builder, const std::string& frames) const;
  // [B, F, N, 2] → [B, n_fft, N], scaled as an inverse. As all real inverses do, it takes the first
  // and the last bin as real.
  std::string Inverse(GraphBuilder& builder, const std::string& spectrum) const;

 private:
  // k by k1 and k2, [half, b]: those above n_fft / 2 are the conjugates of n_fft - k.
  torch::Tensor Bins() const;
  // w_n^(∓n2·k) by k1, k2 and n2, [half, b, b] complex.
  torch::Tensor InnerPhases(int sign) const;
  // By k1 and (re | im) of k2, [half, 2 · b]: -1 where a conjugate's imaginary part stands.
  torch::Tensor MirrorSigns() const;

  std::int64_t n_fft_, a_, b_;
  std::int64_t half_;  // how many k1 are enough
};

}  // namespace stemsmith
