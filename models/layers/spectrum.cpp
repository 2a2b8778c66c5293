#include "models/layers/spectrum.h"

#include "models/separation_model.h"

namespace stemsmith {

SpectrumImpl::SpectrumImpl(const SpectrumOptions& options) : options_(options) {
  window_ = RegisterTransientBuffer(*this, "window", torch::hann_window(options.n_fft));
}

torch::Tensor SpectrumImpl::Transform(const torch::Tensor& waves) const {
  const std::int64_t half = options_.n_fft / 2;
  return torch::stft(torch::constant_pad_nd(waves, {half, half}), options_.n_fft, options_.hop,
                     options_.n_fft, window_, /*center=*/false, /*pad_mode=*/"constant",
                     /*normalized=*/false, /*onesided=*/true, /*return_complex=*/true);
}

torch::Tensor SpectrumImpl::Invert(const torch::Tensor& spectra) const {
  return torch::istft(spectra, options_.n_fft, options_.hop, options_.n_fft, window_,
                      /*center=*/true, /*normalized=*/false, /*onesided=*/true);
}

torch::Tensor SpectrumImpl::Magnitudes(const torch::Tensor& waves) const {
  return torch::stft(waves.slice(-1, 0, waves.size(-1) - options_.hop), options_.n_fft,
                     options_.hop, options_.n_fft, window_, /*center=*/false,
                     /*pad_mode=*/"constant", /*normalized=*/false, /*onesided=*/true,
                     /*return_complex=*/true)
      .abs();
}

}  // namespace stemsmith
