#include "models/layers/stft.h"

#include "core/error.h"
#include "models/layers/traced_size.h"
#include "models/separation_model.h"

namespace stemsmith {

StftLayerOptions StftLayerOptions::Read(const Config& config) const {
  StftLayerOptions options = *this;
  options.n_fft = config.IntegerIn("n_fft", n_fft, 16, 65536);
  options.hop = config.IntegerIn("hop", hop, 1, 32768);
  if (options.n_fft % 2 != 0 || options.hop * 2 > options.n_fft || options.n_fft % options.hop != 0)
    throw Error::Usage("hop must divide n_fft at least twice, and n_fft must be even",
                       config.Where(config.Has("hop") ? "hop" : "n_fft"),
                       "for example n_fft: 4096 with hop: 1024");
  return options;
}

StftLayerImpl::StftLayerImpl(const StftLayerOptions& options) : options_(options) {
  if (options_.window_frames == 0) options_.window_frames = options_.n_fft;
  const bool hann = options_.window == StftLayerWindow::kHann;
  window_ = RegisterTransientBuffer(*this, "window",
                                    hann ? torch::hann_window(options_.window_frames)
                                         : torch::ones({options_.window_frames}));
}

torch::Tensor StftLayerImpl::Transform(const torch::Tensor& waves) const {
  const std::int64_t half = options_.n_fft / 2;
  switch (options_.edges) {
    case StftEdges::kNone:
      break;
    case StftEdges::kZeros:
      return TransformInside(torch::constant_pad_nd(waves, {half, half}));
    case StftEdges::kReflected:
      return torch::stft(waves, options_.n_fft, options_.hop, options_.window_frames, window_,
                         /*center=*/true, /*pad_mode=*/"reflect", options_.normalized,
                         /*onesided=*/true, /*return_complex=*/true);
  }
  return TransformInside(waves);
}

torch::Tensor StftLayerImpl::TransformInside(const torch::Tensor& waves) const {
  return torch::stft(waves, options_.n_fft, options_.hop, options_.window_frames, window_,
                     /*center=*/false, /*pad_mode=*/"constant", options_.normalized,
                     /*onesided=*/true, /*return_complex=*/true);
}

torch::Tensor StftLayerImpl::Invert(const torch::Tensor& spectra,
                                    std::optional<std::int64_t> frames) const {
  return torch::istft(spectra, options_.n_fft, options_.hop, options_.window_frames, window_,
                      /*center=*/true, options_.normalized, /*onesided=*/true, frames);
}

torch::Tensor StftLayerImpl::InvertToLengthOf(const torch::Tensor& spectra,
                                              const torch::Tensor& like) const {
  return Invert(spectra, TracedLength(like, like.dim() - 1));
}

nlohmann::json StftLayerImpl::Description() const {
  const bool hann = options_.window == StftLayerWindow::kHann;
  return {{"n_fft", options_.n_fft},
          {"hop", options_.hop},
          {"window", hann ? "hann" : "rectangle"}};
}

}  // namespace stemsmith
