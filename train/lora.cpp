#include "train/lora.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "models/layers/linear.h"
#include "train/parameter_groups.h"

namespace stemsmith {

std::optional<double> AddAdapters(const Config& config, SeparationModel& model) {
  if (!config.Has("lora")) return std::nullopt;
  const Config lora = config.Child("lora");
  if (!config.Has("init")) {
    throw Error::Usage("`lora` trains adapters of a model that is trained, and there is none",
                       config.Where("lora"),
                       "name its weights with init.file, or leave `lora` out");
  }
  const std::int64_t rank = lora.IntegerIn("rank", 8, 1, 65536);
  const double alpha = lora.NumberIn("alpha", 2.0 * static_cast<double>(rank), 1e-6, 1e9);
  const double dropout = lora.NumberIn("dropout", 0.0, 0.0, 0.99);

  NamedTensors layers;
  std::vector<LinearImpl*> modules;
  for (const auto& item : model.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    auto* linear = dynamic_cast<LinearImpl*>(item.value().get());
    if (linear == nullptr) continue;
    layers.emplace_back(item.key(), linear->weight);
    modules.push_back(linear);
  }
  std::set<std::size_t> chosen;
  for (const std::string& target : lora.Strings("targets"))
    for (const std::size_t i :
         MatchParameters(target, layers, lora.Where("targets"), "fully connected layer"))
      chosen.insert(i);
  if (chosen.empty()) {
    throw Error::Usage("lora.targets names no layers", lora.Where("targets"),
                       "give patterns of names, as [\"*.to_qkv\"]; [\"*\"] is every fully "
                       "connected layer");
  }
  for (const std::size_t i : chosen) {
    const auto& [name, weight] = layers[i];
    if (const std::int64_t most = std::min(weight.size(0), weight.size(1)); rank > most) {
      throw Error::Usage("lora.rank (" + std::to_string(rank) + ") is larger than the layer '" +
                             name + "' of " + std::to_string(weight.size(0)) + " by " +
                             std::to_string(weight.size(1)),
                         lora.Where("rank"),
                         "use at most " + std::to_string(most) + ", or leave the layer out");
    }
  }
  for (const std::size_t i : chosen)
    modules[i]->AddAdapter(rank, alpha / static_cast<double>(rank), dropout);
  return alpha;
}

}  // namespace stemsmith
