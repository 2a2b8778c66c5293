#include "models/model_for_weights.h"

#include "core/error.h"
#include "models/build_memory.h"

namespace stemsmith {

std::shared_ptr<SeparationModel> MakeModelFor(const NamedTensors& weights, const Config& config,
                                              const ModelSetting& setting) {
  constexpr std::int64_t kSpareBytes = std::int64_t{1} << 30;
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : weights)
    bytes += tensor.numel() * static_cast<std::int64_t>(sizeof(float));
  const BuildMemory limit(
      4 * bytes + kSpareBytes,
      Error::Input("the model described takes far more memory than the weights with it (" +
                       std::to_string(bytes >> 20) + " MiB)",
                   config.Where(),
                   "the file is damaged, or the configuration is of another model"));
  return MakeModel(config, setting);
}

}  // namespace stemsmith
