// What a step of training and a validation minimise: the loss of the model's estimates, on
// waveforms or, with losses of `domain: spectrogram`, on magnitudes of the model's own STFT. The
// latter works from audio and from a cache of spectrograms alike, with the same figures.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <optional>
#include <vector>

#include "core/config.h"
#include "datasets/cache/cache.h"
#include "models/spectrogram_model.h"
#include "train/loss.h"

namespace stemsmith {

class Objective {
 public:
  // `config` is the training configuration, for its list of losses and for the lines in errors.
  // Throws Error where cache, model and losses do not fit each other, and where spectrograms would
  // have to be augmented. `cache` must outlive it.
  Objective(const Config& config, const CacheReader& cache, std::shared_ptr<SeparationModel> model,
            const torch::Device& device);

  SeparationModel& model() const { return *model_; }
  bool on_spectrograms() const { return loss_.on_spectrograms(); }
  // Samples begin at multiples of it, and hold so much more audio on both sides of a segment.
  std::int64_t grid_frames() const;
  std::int64_t context_frames() const;

  // Training steps estimate in this type instead of float32; losses and the STFTs of losses stay in
  // float32, and validation does altogether.
  void UsePrecision(std::optional<at::ScalarType> type) { precision_ = type; }

  // From now on training steps estimate the stems at these places only, and the loss is that of
  // them; validation has all. Empty: all. Not with on_spectrograms().
  void UseStems(std::vector<std::int64_t> places);

  // The loss of samples as the loader gives them, with their context: mix [B, C, T], stems [B, S,
  // C, T], or their magnitudes with C · F rows of N frames from a cache of spectrograms.
  torch::Tensor operator()(const torch::Tensor& mix, const torch::Tensor& stems) const;
  // The loss of waveforms that were estimated. Not with on_spectrograms().
  torch::Tensor OfEstimates(const torch::Tensor& estimates, const torch::Tensor& stems) const {
    return loss_(estimates, stems);
  }

 private:
  // What `estimate` gives, in float32, computed in the precision of the mode the model is in.
  template <typename Function>
  torch::Tensor Estimated(const torch::Tensor& input, Function estimate) const;
  void CheckSpectrograms(const Config& config, const CacheReader& cache) const;

  const bool stored_spectrograms_;
  const std::shared_ptr<SeparationModel> model_;
  SpectrogramModel* spectrogram_model_ = nullptr;  // the same, with losses on spectrograms
  const WeightedLoss loss_;
  std::optional<at::ScalarType> precision_;  // none: float32
  std::vector<std::int64_t> stems_;          // of a step; empty: all
};

}  // namespace stemsmith
