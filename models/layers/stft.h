// Short-time Fourier transform and its inverse, the one of all models and losses. The window
// belongs to the graph and not to the weights. Traceable for any batch and length.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/config.h"

namespace stemsmith {

// What windows see beyond the ends of the audio.
enum class StftEdges {
  kNone,       // nothing: all windows lie inside, the first begins with the audio
  kZeros,      // frame k is centred at sample k · hop, silence lies beyond
  kReflected,  // the same with the audio reflected; takes more than n_fft / 2 samples
};

enum class StftLayerWindow { kHann, kRectangle };

struct StftLayerOptions {
  std::int64_t n_fft = 4096;  // transform length in frames, even; longer: finer in frequency
  std::int64_t hop = 1024;    // frames between windows
  StftEdges edges = StftEdges::kZeros;
  bool normalized = false;         // spectra are divided by the root of n_fft
  std::int64_t window_frames = 0;  // in the middle of n_fft; 0: n_fft
  StftLayerWindow window = StftLayerWindow::kHann;

  // `n_fft` and `hop` of a model's configuration, over these. Throws Error where audio could not be
  // put together again: hop has to divide n_fft at least twice.
  StftLayerOptions Read(const Config& config) const;
};

class StftLayerImpl : public torch::nn::Module {
 public:
  explicit StftLayerImpl(const StftLayerOptions& options);
  const StftLayerOptions& options() const { return options_; }

  // waves [R, T] → complex [R, F, N], F = n_fft / 2 + 1; N = T / hop + 1, rounded down, where
  // frames are centred at multiples of the hop.
  torch::Tensor Transform(const torch::Tensor& waves) const;
  // The same without edges, whatever the options say.
  torch::Tensor TransformInside(const torch::Tensor& waves) const;
  // complex [R, F, N], whose frames are centred at multiples of the hop, → waves [R, `frames`], or
  // [R, (N - 1) · hop].
  torch::Tensor Invert(const torch::Tensor& spectra,
                       std::optional<std::int64_t> frames = std::nullopt) const;
  // As long as `like` is in its last dimension, in traces too.
  torch::Tensor InvertToLengthOf(const torch::Tensor& spectra, const torch::Tensor& like) const;

  // {"n_fft":, "hop":, "window":}, as manifests say it.
  nlohmann::json Description() const;

 private:
  StftLayerOptions options_;
  torch::Tensor window_;  // transient
};
TORCH_MODULE(StftLayer);

}  // namespace stemsmith
