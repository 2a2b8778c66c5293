// What Hybrid Demucs (v3) and Hybrid Transformer Demucs (v4) have in common: a U-Net over the
// spectrogram, one over the wave, and how their halves are fed and joined. demucs/hdemucs.py and
// demucs/htdemucs.py of PyPI demucs 4.1.0: the same options with the same defaults, the same
// initialisation, the same names in the state dict, the same numbers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/layers/dconv_places.h"
#include "models/layers/hybrid_layers.h"
#include "models/layers/stft.h"
#include "models/original_options.h"
#include "models/separation_model.h"

namespace stemsmith {

struct HybridOptions {
  std::int64_t channels = 48;      // of the first level; the cost grows with its square
  std::int64_t channels_time = 0;  // the wave's, where they differ; 0: as `channels`
  std::int64_t growth = 2;         // channels from level to level
  std::int64_t nfft = 4096;        // window of the STFT in frames; the hop is a quarter
  // Complex as channels: real and imaginary parts in and out; else magnitudes in, and out
  // magnitudes with the mixture's phase.
  bool cac = true;
  std::int64_t depth = 6;   // levels
  bool rewrite = true;      // convolutions with gates
  bool hybrid_old = false;  // the wave is padded with zeros and cut off where it was not padded
  // Shares of the frequency axis at which the outer levels are split into bands with weights of
  // their own.
  std::vector<double> multi_freqs;
  std::int64_t multi_freqs_depth = 2;  // levels that are split
  double freq_emb = 0.2;               // weight of the embedding of frequencies; 0: none
  double emb_scale = 10;               // it learns that much faster
  bool emb_smooth = true;              // it starts smooth over frequency
  std::int64_t kernel_size = 8;
  std::int64_t time_stride = 2;  // of the levels behind the join of the branches
  std::int64_t stride = 4;
  std::int64_t context = 1;      // neighbours that the decoder's convolutions see
  std::int64_t context_enc = 0;  // that the encoder's see
  std::int64_t norm_starts = 4;  // first level with normalisation
  std::int64_t norm_groups = 4;
  DConvPlaces dconv;     // residual branches
  double rescale = 0.1;  // pulls the initial weights' deviation towards this; 0: off
};

// Reads the options; those that only Hybrid Demucs has (dconv_attn, dconv_lstm, hybrid_old) are
// read where `version` is 3. Throws Error for values that do not fit together, and for values of
// the original's other options that no published model uses.
HybridOptions ReadHybridOptions(const Config& config, const HybridOptions& defaults, int version,
                                const ModelSetting& setting);

class HybridDemucs : public SeparationModel {
 public:
  torch::Tensor Separate(const torch::Tensor& mix) override;
  // Every length: what the levels need is padded inside, as the original does.
  LengthRule length_rule() const override;
  std::int64_t widest_step_frames() const override { return 2 * DeepestStepFrames(); }
  std::int64_t longest_uncut_frames() const override;
  nlohmann::json stft() const override;
  bool has_checkpoints() const override { return true; }

 protected:
  HybridDemucs(HybridOptions options, ModelSetting setting);

  // What the decoders start from, given what the encoders gave: spectral [B, C, F, N] and temporal
  // [B, C, N]. Undefined: from the skips alone.
  virtual std::pair<torch::Tensor, torch::Tensor> Middle(const torch::Tensor& spectral,
                                                         const torch::Tensor& temporal) = 0;

  const HybridOptions options_;

 private:
  struct Level;  // how one level is built
  std::vector<Level> Levels() const;
  std::int64_t DeepestStepFrames() const;
  void Build();
  torch::Tensor Spectrum(const torch::Tensor& mix) const;            // [B, C, 2, F, N]
  torch::Tensor SpectralInput(const torch::Tensor& spectrum) const;  // [B, C', F, N]
  // The network's [B, S · C', F, N] as waves [B, S, C, T], as long as the mix.
  torch::Tensor SpectralOutput(const torch::Tensor& x, const torch::Tensor& spectrum,
                               const torch::Tensor& mix) const;

  StftLayer stft_{nullptr};
  torch::nn::ModuleList encoder_, decoder_, tencoder_, tdecoder_;
  std::vector<bool> temporal_is_empty_;  // by temporal level: holds the strided convolution alone
  ScaledEmbedding freq_emb_{nullptr};
};

}  // namespace stemsmith
