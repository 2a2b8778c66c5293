#include "train/objective.h"

#include <cmath>
#include <string>

#include "core/error.h"
#include "core/option.h"
#include "models/layers/autocast.h"

namespace stemsmith {
namespace {

std::string Text(const SpectrogramFormat& format) {
  return std::to_string(format.n_fft) + "," + std::to_string(format.hop);
}

// What the losses are told of the cache.
LossSetting SettingOf(const CacheReader& cache, const torch::Device& device) {
  constexpr double kSilentDb = -120.0;  // what the cache says of stems without any sound
  LossSetting setting;
  setting.stems = cache.stems();
  setting.device = device;
  setting.stem_levels.assign(cache.stems().size(), 0.0);
  double frames = 0.0;
  for (const std::size_t track : cache.TracksOf("train")) {
    const CachedTrack& song = cache.tracks()[track];
    frames += static_cast<double>(song.frames);
    for (std::size_t s = 0; s < setting.stems.size(); ++s) {
      if (song.rms_db[s] > kSilentDb) {
        setting.stem_levels[s] +=
            static_cast<double>(song.frames) * std::pow(10.0, song.rms_db[s] / 10.0);
      }
    }
  }
  for (double& level : setting.stem_levels) level = frames > 0.0 ? std::sqrt(level / frames) : 0.0;
  return setting;
}

// None is no loss; without the key there is one (train/loss.h).
std::vector<Config> LossesOf(const Config& config) {
  std::vector<Config> losses = config.List("loss");
  if (losses.empty() && config.Has("loss"))
    throw Error::Usage("the list of losses is empty", config.Where("loss"),
                       "leave it out for the usual loss, or give one: loss: [{name: l1}]");
  return losses;
}

}  // namespace

Objective::Objective(const Config& config, const CacheReader& cache,
                     std::shared_ptr<SeparationModel> model, const torch::Device& device)
    : stored_spectrograms_(cache.spectrogram().has_value()),
      model_(std::move(model)),
      loss_(LossesOf(config), SettingOf(cache, device)) {
  if (!on_spectrograms() && !stored_spectrograms_) return;
  spectrogram_model_ = dynamic_cast<SpectrogramModel*>(model_.get());
  CheckSpectrograms(config, cache);
}

void Objective::CheckSpectrograms(const Config& config, const CacheReader& cache) const {
  const std::string model = config.Child("model").String("name", "");
  const std::string prepare_audio = "prepare a cache of audio, without " + Option("spectrogram");
  if (spectrogram_model_ == nullptr) {
    throw Error::Usage(
        "the model '" + model + "' does not look at magnitudes: it cannot be " +
            "trained on spectrograms",
        config.Child("model").Where("name"),
        stored_spectrograms_ ? prepare_audio : "use domain: waveform or magnitude for its losses");
  }
  if (!stored_spectrograms_) return;
  if (!on_spectrograms()) {
    throw Error::Usage("the cache holds spectrograms, and the losses are taken on waveforms",
                       config.Where("loss"),
                       "give each loss domain: spectrogram, or " + prepare_audio);
  }
  const StftLayerOptions& spectrum = spectrogram_model_->spectrum_options();
  const SpectrogramFormat wanted{static_cast<int>(spectrum.n_fft), static_cast<int>(spectrum.hop)};
  if (*cache.spectrogram() != wanted) {
    throw Error::Usage("the model takes spectrograms of " + Text(wanted) +
                           " (n_fft, hop), and the cache holds " + Text(*cache.spectrogram()),
                       config.Child("model").Where("n_fft"),
                       "prepare it with " + Option("spectrogram", Text(wanted)) +
                           ", or give the model the cache's n_fft and hop");
  }
  if (!config.List("augment").empty()) {
    throw Error::Usage("spectrograms cannot be augmented: magnitudes do not add",
                       config.Where("augment"), "use augment: [], or " + prepare_audio);
  }
}

std::int64_t Objective::grid_frames() const {
  return on_spectrograms() ? spectrogram_model_->spectrum_options().hop : 1;
}

std::int64_t Objective::context_frames() const {
  return on_spectrograms() ? spectrogram_model_->spectrum_options().n_fft / 2 : 0;
}

void Objective::UseStems(std::vector<std::int64_t> places) {
  stems_ = std::move(places);
  model_->UseStems(stems_);
}

template <typename Function>
torch::Tensor Objective::Estimated(const torch::Tensor& input, Function estimate) const {
  if (!precision_ || !model_->is_training()) return estimate(input);
  const AutocastScope scope(input.device().type(), precision_);
  return estimate(input).to(torch::kFloat32);
}

torch::Tensor Objective::operator()(const torch::Tensor& mix, const torch::Tensor& stems) const {
  if (!on_spectrograms()) {
    const torch::Tensor estimates =
        Estimated(mix, [&](const torch::Tensor& x) { return model_->forward(x); });
    if (stems_.empty()) return loss_(estimates, stems);
    const torch::Tensor places = torch::tensor(stems_, stems.device());
    return loss_(estimates, stems.index_select(1, places), stems_);
  }
  // [B, C · F, N] as stored → [B, C, F, N], and the same of the stems.
  const auto magnitudes = [&](const torch::Tensor& given) {
    if (!stored_spectrograms_) return spectrogram_model_->Magnitudes(given);
    const std::int64_t bins = spectrogram_model_->spectrum_options().n_fft / 2 + 1;
    return given.unflatten(-2, {-1, bins});
  };
  const torch::Tensor estimates = Estimated(magnitudes(mix), [&](const torch::Tensor& x) {
    return spectrogram_model_->EstimateMagnitudes(x);
  });
  return loss_(estimates, magnitudes(stems));
}

}  // namespace stemsmith
