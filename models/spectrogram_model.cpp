#include "models/spectrogram_model.h"

namespace stemsmith {

SpectrogramModel::SpectrogramModel(const StftLayerOptions& spectrum, ModelSetting setting)
    : SeparationModel(std::move(setting)) {
  spectrum_ = register_module("spectrum", StftLayer(spectrum));
}

torch::Tensor SpectrogramModel::Magnitudes(const torch::Tensor& waves) const {
  torch::NoGradGuard no_grad;
  std::vector<std::int64_t> shape = waves.sizes().vec();
  // Without the last hop: the frame that is centred at the segment's end is the next one's first.
  const torch::Tensor seen = waves.slice(-1, 0, shape.back() - spectrum_options().hop);
  const torch::Tensor magnitudes =
      spectrum_->TransformInside(seen.reshape({-1, seen.size(-1)})).abs();
  shape.pop_back();
  shape.insert(shape.end(), {magnitudes.size(1), magnitudes.size(2)});
  return magnitudes.reshape(shape);
}

}  // namespace stemsmith
