// Models that look at magnitudes of an STFT alone and estimate magnitudes: they can be trained on
// stored spectrograms, without a transform per step.
//
// The frames of a song, wherever a segment begins: frame k is centred at sample k · hop, with
// silence beyond both ends of the song. A segment of T = N · hop samples that begins at sample
// k · hop has the frames k … k + N - 1, as Separate sees them but for its ends, where Separate
// knows no audio beyond.
#pragma once

#include "models/layers/stft.h"
#include "models/separation_model.h"

namespace stemsmith {

class SpectrogramModel : public SeparationModel {
 public:
  SpectrogramModel(const StftLayerOptions& spectrum, ModelSetting setting);
  const StftLayerOptions& spectrum_options() const { return spectrum_->options(); }
  nlohmann::json stft() const override { return spectrum_->Description(); }

  // Magnitudes of the mixture [B, C, F, N] → of the stems [B, S, C, F, N], F = n_fft/2 + 1. N · hop
  // is a length of length_rule().
  virtual torch::Tensor EstimateMagnitudes(const torch::Tensor& mix) = 0;
  // waves [..., T + n_fft], the segment with n_fft/2 samples more at both ends → magnitudes of its
  // frames [..., F, N], without gradients.
  torch::Tensor Magnitudes(const torch::Tensor& waves) const;

 protected:
  StftLayer spectrum_{nullptr};
};

}  // namespace stemsmith
