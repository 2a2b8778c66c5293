#include "train/losses/domain.h"

#include "core/error.h"

namespace stemsmith {

SpectrumOf::SpectrumOf(std::int64_t n_fft, std::int64_t hop, std::int64_t window_frames,
                       const torch::Device& device)
    : stft_(StftLayerOptions{.n_fft = n_fft,
                             .hop = hop,
                             .edges = StftEdges::kReflected,
                             .window_frames = window_frames}) {
  stft_->to(device);
}

torch::Tensor SpectrumOf::operator()(const torch::Tensor& audio) const {
  const std::int64_t n_fft = stft_->options().n_fft;
  if (audio.size(-1) <= n_fft / 2) {
    throw Error::Usage("a loss's n_fft of " + std::to_string(n_fft) +
                           " is too long for segments of " + std::to_string(audio.size(-1)) +
                           " frames",
                       "loss", "make n_fft shorter or dataset.segment_seconds longer");
  }
  return stft_->Transform(audio.reshape({-1, audio.size(-1)}))
      .unflatten(0, {audio.size(0), audio.size(1), audio.size(2)});
}

Domain::Domain(const Config& config, const torch::Device& device,
               const std::vector<std::string>& choices) {
  const std::string domain = config.Choice("domain", choices.front(), choices);
  on_spectrograms_ = domain == "spectrogram";
  if (domain != "magnitude") return;
  const std::int64_t n_fft = config.IntegerIn("n_fft", 2048, 16, 1 << 20);
  transform_.emplace(n_fft, config.IntegerIn("hop", n_fft / 4, 1, n_fft), n_fft, device);
}

torch::Tensor Domain::operator()(const torch::Tensor& audio) const {
  return transform_ ? (*transform_)(audio).abs() : audio;
}

std::vector<std::int64_t> Sizes(const Config& config, const std::string& key,
                                const std::vector<double>& fallback) {
  std::vector<std::int64_t> sizes;
  for (const double value : config.Numbers(key, fallback)) {
    const auto size = static_cast<std::int64_t>(value);
    if (!(value >= 1 && value <= 1 << 20) || static_cast<double>(size) != value) {
      throw Error::Usage("'" + key + "' holds a size that is no whole number from 1 to 1048576",
                         config.Where(key), "sizes are counted in frames");
    }
    sizes.push_back(size);
  }
  return sizes;
}

std::vector<std::int64_t> AllButStems(const torch::Tensor& tensor) {
  std::vector<std::int64_t> dims = {0};
  for (std::int64_t d = 2; d < tensor.dim(); ++d) dims.push_back(d);
  return dims;
}

namespace {

// Frobenius norms [S]. torch's own adds up millions of squares in float32, at a loss of 1e-3; the
// least square keeps the root's gradient finite.
torch::Tensor NormPerStem(const torch::Tensor& tensor) {
  return tensor.square().sum(AllButStems(tensor)).clamp_min(1e-30).sqrt();
}

}  // namespace

torch::Tensor SpectralConvergence(const torch::Tensor& estimates, const torch::Tensor& targets) {
  const torch::Tensor norm = NormPerStem(targets);
  const double bins = static_cast<double>(targets.numel() / targets.size(1));
  // A little above the floor, where clamped silence lies.
  const torch::Tensor sounds = norm.square() > 1.001 * kSilentPower * bins;
  return torch::where(sounds, NormPerStem(targets - estimates) / norm, torch::zeros_like(norm));
}

}  // namespace stemsmith
