#include "models/adapters.h"

#include <map>

#include "core/error.h"
#include "core/text.h"

namespace stemsmith {
namespace {

constexpr std::string_view kA = ".lora_A", kB = ".lora_B", kWeight = ".weight";

bool IsAdapter(const std::string& name) { return name.ends_with(kA) || name.ends_with(kB); }

}  // namespace

void MergeAdapters(Checkpoint& checkpoint, const std::string& where) {
  if (!checkpoint.lora_alpha) return;
  std::map<std::string, torch::Tensor*> all;
  for (auto& [name, tensor] : checkpoint.weights) all[name] = &tensor;
  const torch::NoGradGuard no_grad;
  for (const auto& [name, a] : all) {
    if (!IsAdapter(name)) continue;
    const std::string layer = name.substr(0, name.size() - kA.size());
    const auto weight = all.find(layer + std::string(kWeight)), b = all.find(layer + std::string(kB));
    const bool whole = all.contains(layer + std::string(kA)) && b != all.end() && weight != all.end();
    if (!whole || a->dim() != 2 || b->second->dim() != 2 || weight->second->dim() != 2 ||
        (name.ends_with(kA) && (b->second->size(1) != a->size(0) ||
                                weight->second->size(0) != b->second->size(0) ||
                                weight->second->size(1) != a->size(1)))) {
      throw Error::Input("the adapter '" + name + "' does not fit its layer", where,
                         "the file is damaged; use another checkpoint of the run");
    }
    if (!name.ends_with(kA)) continue;
    const double scale = *checkpoint.lora_alpha / static_cast<double>(a->size(0));
    *weight->second = torch::addmm(*weight->second, *b->second, *a, 1.0, scale);
  }
  std::erase_if(checkpoint.weights, [](const auto& item) { return IsAdapter(item.first); });
  checkpoint.lora_alpha.reset();
}

void SaveAdapters(const std::filesystem::path& file, const Checkpoint& checkpoint,
                  const std::string& where) {
  NamedTensors adapters = checkpoint.weights;
  std::erase_if(adapters, [](const auto& item) { return !IsAdapter(item.first); });
  if (!checkpoint.lora_alpha || adapters.empty()) {
    throw Error::Usage("the checkpoint has no adapters", where,
                       "only runs whose configuration has `lora:` train some");
  }
  std::int64_t rank = 0;
  for (const auto& [name, tensor] : adapters)
    if (name.ends_with(kA)) rank = tensor.size(0);
  SaveSafetensors(file, adapters,
                  {{"format", "pt"},
                   {"lora_alpha", Formatted("%.17g", *checkpoint.lora_alpha)},
                   {"lora_rank", std::to_string(rank)}});
}

}  // namespace stemsmith
