#include "models/spectrogram_model.h"

namespace stemsmith {

SpectrogramModel::SpectrogramModel(const SpectrumOptions& spectrum, ModelSetting setting)
    : SeparationModel(std::move(setting)), spectrum_options_(spectrum) {
  spectrum_ = register_module("spectrum", Spectrum(spectrum));
}

nlohmann::json SpectrogramModel::stft() const {
  return {{"n_fft", spectrum_options_.n_fft}, {"hop", spectrum_options_.hop}, {"window", "hann"}};
}

torch::Tensor SpectrogramModel::Magnitudes(const torch::Tensor& waves) const {
  torch::NoGradGuard no_grad;
  std::vector<std::int64_t> shape = waves.sizes().vec();
  const torch::Tensor magnitudes = spectrum_->Magnitudes(waves.reshape({-1, shape.back()}));
  shape.pop_back();
  shape.insert(shape.end(), {magnitudes.size(1), magnitudes.size(2)});
  return magnitudes.reshape(shape);
}

}  // namespace stemsmith
