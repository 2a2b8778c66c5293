// What a loss compares: waveforms, their magnitudes, or the magnitudes that a model estimates.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "models/layers/stft.h"
#include "train/loss.h"

namespace stemsmith {

// An STFT with a Hann window of `window_frames` in the middle of n_fft ones.
class SpectrumOf {
 public:
  SpectrumOf(std::int64_t n_fft, std::int64_t hop, std::int64_t window_frames,
             const torch::Device& device);
  // [B, S, C, T] → its complex spectrum [B, S, C, F, N], frame k centred at sample k · hop, the
  // ends reflected. Throws Error for segments too short to be reflected.
  torch::Tensor operator()(const torch::Tensor& audio) const;

 private:
  StftLayer stft_;
};

// `domain` with `n_fft` and `hop` of a loss's configuration.
class Domain {
 public:
  // `choices` of waveform, magnitude and spectrogram; the first is the default.
  Domain(const Config& config, const torch::Device& device,
         const std::vector<std::string>& choices = {"waveform", "magnitude", "spectrogram"});
  bool on_spectrograms() const { return on_spectrograms_; }
  // Itself, or [B, S, C, T] → magnitudes [B, S, C, F, N].
  torch::Tensor operator()(const torch::Tensor& audio) const;

 private:
  bool on_spectrograms_ = false;
  std::optional<SpectrumOf> transform_;
};

// A list of sizes in frames, `fallback` where it is not given. Throws Error for what is no size.
std::vector<std::int64_t> Sizes(const Config& config, const std::string& key,
                                const std::vector<double>& fallback);

// All dimensions of [B, S, …] but the stems'.
std::vector<std::int64_t> AllButStems(const torch::Tensor& tensor);

// ‖target − estimate‖ / ‖target‖ of magnitudes [B, S, C, F, N] → [S], Frobenius norms over all but
// the stems. 0 for a stem that is silent: nothing can be measured by it.
torch::Tensor SpectralConvergence(const torch::Tensor& estimates, const torch::Tensor& targets);

// Power below which a bin counts as silent; also the least power of which a logarithm is taken.
inline constexpr double kSilentPower = 1e-7;

}  // namespace stemsmith
