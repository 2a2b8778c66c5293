#include "train/ema.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace stemsmith {

NamedTensors CloneTensors(const NamedTensors& tensors) {
  NamedTensors copies;
  copies.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) copies.emplace_back(name, tensor.detach().clone());
  return copies;
}

WeightAverage::WeightAverage(const SeparationModel& model, double decay)
    : decay_(decay), state_(CloneTensors(model.StateDict())) {}

void WeightAverage::Update(const SeparationModel& model, std::int64_t step) {
  torch::NoGradGuard no_grad;
  const double n = static_cast<double>(step);
  const double decay = std::min(decay_, (1.0 + n) / (10.0 + n));
  const NamedTensors now = model.StateDict();
  std::map<std::string, torch::Tensor> parameters;
  for (const auto& item : model.named_parameters()) parameters.emplace(item.key(), item.value());
  for (std::size_t i = 0; i < state_.size(); ++i) {
    if (parameters.contains(state_[i].first)) {
      state_[i].second.lerp_(now[i].second.detach(), 1.0 - decay);
    } else {
      state_[i].second.copy_(now[i].second);
    }
  }
}

void WeightAverage::Load(const NamedTensors& state, const std::string& where) {
  torch::NoGradGuard no_grad;
  const std::map<std::string, torch::Tensor> given(state.begin(), state.end());
  for (auto& [name, tensor] : state_) {
    const auto found = given.find(name);
    if (found == given.end() || found->second.sizes() != tensor.sizes()) {
      throw Error::Input("the averaged weight '" + name + "' is missing or of another shape", where,
                         "the checkpoint belongs to another configuration; use another --run");
    }
    tensor.copy_(found->second);
  }
}

}  // namespace stemsmith
