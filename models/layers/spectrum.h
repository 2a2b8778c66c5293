// Short-time Fourier transform and its inverse as a traceable module. Perfect reconstruction to the
// edges: frames are centred at 0, hop, 2·hop … T, with zeros beyond both ends.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace stemsmith {

struct SpectrumOptions {
  std::int64_t n_fft = 4096;  // window and transform length in frames; longer: finer in frequency
  std::int64_t hop = 1024;    // frames between windows; n_fft/2 at most and a divisor of n_fft
};

class SpectrumImpl : public torch::nn::Module {
 public:
  explicit SpectrumImpl(const SpectrumOptions& options);

  // waves [R, T] with T a multiple of hop → complex [R, F, N + 1], F = n_fft/2 + 1, N = T/hop.
  torch::Tensor Transform(const torch::Tensor& waves) const;
  // complex [R, F, N + 1] → waves [R, T].
  torch::Tensor Invert(const torch::Tensor& spectra) const;
  // waves [R, T + n_fft] → magnitudes [R, F, N] of the frames centred at n_fft/2, n_fft/2 + hop, …
  torch::Tensor Magnitudes(const torch::Tensor& waves) const;

 private:
  SpectrumOptions options_;
  torch::Tensor window_;  // Hann, transient
};
TORCH_MODULE(Spectrum);

}  // namespace stemsmith
