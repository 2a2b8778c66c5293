// Bands of a spectrum: how they lie, how each becomes a token, and how tokens become masks. A
// spectrum's numbers stand in a row per frame, [.., F · C · 2]: by bins, within them by channels,
// within these real and imaginary part.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "models/layers/rms_norm.h"

namespace stemsmith {

struct Band {
  std::int64_t first = 0, bins = 0;
};
using Bands = std::vector<Band>;  // by their first bins; a bin lies in one or two neighbours

// Bands one behind the other, of these widths.
Bands AdjoiningBands(const std::vector<std::int64_t>& widths);
// Overlapping bands of equal width on the mel scale: the bins where the triangles of
// librosa.filters.mel(sr, n_fft, n_mels) are above zero; the first bin belongs to the first band
// and the last bin to the last band. Some may be empty, and some bins in no band, where there are
// more bands than bins for them.
Bands MelBands(std::int64_t sample_rate_hz, std::int64_t n_fft, std::int64_t count);

struct BandOptions {
  Bands bands;
  std::int64_t parts = 4;    // numbers per bin: channels · 2
  std::int64_t width = 128;  // of tokens
};

// rows [B, N, F · C · 2] → tokens [B, K, N, width].
class BandSplitImpl : public torch::nn::Module {
 public:
  explicit BandSplitImpl(const BandOptions& options);
  torch::Tensor forward(const torch::Tensor& rows);

 private:
  BandOptions options_;
  torch::nn::ModuleList to_features_;
};
TORCH_MODULE(BandSplit);

// The head of one stem: tokens [K, B, N, width] → [B, N, F · C · 2], complex masks; where a bin
// lies in two bands their sum.
class MaskEstimatorImpl : public torch::nn::Module {
 public:
  // Hidden layers of `hidden` numbers with a tanh behind each.
  MaskEstimatorImpl(const BandOptions& options, std::int64_t hidden, std::int64_t hidden_layers);
  torch::Tensor forward(const torch::Tensor& tokens);

 private:
  BandOptions options_;
  torch::nn::ModuleList to_freqs_;
};
TORCH_MODULE(MaskEstimator);

}  // namespace stemsmith
