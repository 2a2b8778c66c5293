#include "models/adapters.h"

#include <map>

#include "core/error.h"

namespace stemsmith {
namespace {

const std::string kA = ".lora_A", kB = ".lora_B";

bool IsAdapter(const std::string& name) { return name.ends_with(kA) || name.ends_with(kB); }

}  // namespace

void MergeAdapters(NamedTensors& weights, double alpha, const std::string& where) {
  std::map<std::string, torch::Tensor> all(weights.begin(), weights.end());
  const auto matrix = [&](const std::string& name) {
    const auto found = all.find(name);
    return found != all.end() && found->second.dim() == 2 ? found->second : torch::Tensor();
  };
  std::map<std::string, torch::Tensor> merged;
  for (const auto& [name, tensor] : all) {
    if (!IsAdapter(name)) continue;
    const std::string layer = name.substr(0, name.size() - kA.size());
    const torch::Tensor a = matrix(layer + kA), b = matrix(layer + kB),
                        weight = matrix(layer + ".weight");
    if (!a.defined() || !b.defined() || !weight.defined() || b.size(1) != a.size(0) ||
        b.size(0) != weight.size(0) || a.size(1) != weight.size(1)) {
      throw Error::Input("the adapter '" + name + "' does not fit its layer", where,
                         "the file is damaged; use another checkpoint of the run");
    }
    if (!name.ends_with(kA)) continue;
    const double scale = alpha / static_cast<double>(a.size(0));
    merged[layer + ".weight"] = torch::addmm(weight, b, a, 1.0, scale);
  }
  std::erase_if(weights, [](const auto& item) { return IsAdapter(item.first); });
  for (auto& [name, tensor] : weights)
    if (const auto found = merged.find(name); found != merged.end()) tensor = found->second;
}

NamedTensors AdaptersOf(const NamedTensors& weights) {
  NamedTensors adapters = weights;
  std::erase_if(adapters, [](const auto& item) { return !IsAdapter(item.first); });
  return adapters;
}

}  // namespace stemsmith
