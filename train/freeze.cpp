#include "train/freeze.h"

#include <algorithm>

#include "core/error.h"
#include "train/parameter_groups.h"

namespace stemsmith {

std::int64_t FreezeParameters(const Config& config, SeparationModel& model) {
  NamedTensors parameters;
  for (const auto& item : model.named_parameters())
    parameters.emplace_back(item.key(), item.value());
  std::int64_t frozen = 0;
  const bool for_adapters = config.Has("lora");
  std::vector<std::string> patterns = config.Strings("freeze");
  if (for_adapters) patterns.emplace_back("*");
  for (const std::string& pattern : patterns) {
    for (const std::size_t i : MatchParameters(pattern, parameters, config.Where("freeze"))) {
      if (parameters[i].second.requires_grad()) frozen += parameters[i].second.numel();
      parameters[i].second.set_requires_grad(false);
    }
  }
  const auto is_frozen = [](const torch::Tensor& tensor) { return !tensor.requires_grad(); };
  const auto all_frozen = [&](const torch::nn::Module& module) {
    const auto own = module.parameters();
    return !own.empty() && std::all_of(own.begin(), own.end(), is_frozen);
  };
  if (!for_adapters && all_frozen(model))
    throw Error::Usage("`freeze` leaves nothing to train", config.Where("freeze"),
                       "take a pattern out");
  for (const auto& module : model.modules(/*include_self=*/false)) {
    const bool of_batches = module->as<torch::nn::BatchNorm1d>() != nullptr ||
                            module->as<torch::nn::BatchNorm2d>() != nullptr;
    if (of_batches && all_frozen(*module)) model.KeepInEval(module);
  }
  return frozen;
}

}  // namespace stemsmith
