#include "train/ema.h"

#include <cmath>

#include "core/error.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {

NamedTensors CloneTensors(const NamedTensors& tensors) {
  NamedTensors copies;
  copies.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) copies.emplace_back(name, tensor.detach().clone());
  return copies;
}

std::string AverageName(const std::string& kind, double decay) {
  return kind + Formatted("_%.10g", decay);
}

WeightAverage::WeightAverage(std::string name, double decay, const SeparationModel& model)
    : name_(std::move(name)), decay_(decay), state_(CloneTensors(model.StateDict())) {
  const NamedTensors now = model.StateDict();
  for (std::size_t i = 0; i < now.size(); ++i) {
    const bool number = now[i].second.is_floating_point();
    (number ? weights_ : counts_).push_back(now[i].second);
    (number ? averages_ : count_copies_).push_back(state_[i].second);
  }
}

void WeightAverage::Update() {
  torch::NoGradGuard no_grad;
  ++updates_;
  const double share = (1.0 - decay_) / (1.0 - std::pow(decay_, static_cast<double>(updates_)));
  if (!weights_.empty()) at::_foreach_lerp_(averages_, weights_, share);
  if (!counts_.empty()) at::_foreach_copy_(count_copies_, counts_);
}

void WeightAverage::Load(const NamedTensors& state, std::int64_t updates,
                         const std::string& where) {
  torch::NoGradGuard no_grad;
  const std::map<std::string, torch::Tensor> given(state.begin(), state.end());
  for (auto& [name, tensor] : state_) {
    const auto found = given.find(name);
    if (found == given.end() || found->second.sizes() != tensor.sizes()) {
      throw Error::Input(
          "the averaged weight '" + name + "' is missing or of another shape", where,
          "the checkpoint belongs to another configuration; use another " + Option("run"));
    }
    tensor.copy_(found->second);
  }
  updates_ = updates;
}

WeightAverages::WeightAverages(const Config& config, const SeparationModel& model) {
  for (const char* kind : {"batch", "epoch"}) {
    for (const double decay : config.Numbers(kind)) {
      const std::string name = AverageName(kind, decay);
      if (!(decay > 0.0 && decay < 1.0)) {
        throw Error::Usage("a decay of 'ema." + std::string(kind) + "' must lie between 0 and 1",
                           config.Where(kind), "0.999 averages over about 1000 updates");
      }
      for (const auto& other : averages_) {
        if (other->name() == name) {
          throw Error::Usage("a decay stands twice in 'ema." + std::string(kind) + "'",
                             config.Where(kind), "keep one of them");
        }
      }
      averages_.push_back(std::make_unique<WeightAverage>(name, decay, model));
      (kind == std::string("batch") ? steps_ : epochs_).push_back(averages_.back().get());
    }
  }
}

std::vector<const WeightAverage*> WeightAverages::Updated() const {
  std::vector<const WeightAverage*> updated;
  for (const auto& average : averages_) {
    if (average->updates() > 0) updated.push_back(average.get());
  }
  return updated;
}

NamedTensors WeightAverages::State() const {
  NamedTensors state;
  for (const auto& average : averages_) {
    for (const auto& [name, tensor] : average->state())
      state.emplace_back(average->name() + "." + name, tensor);
  }
  return state;
}

std::map<std::string, std::int64_t> WeightAverages::Updates() const {
  std::map<std::string, std::int64_t> updates;
  for (const auto& average : averages_) updates[average->name()] = average->updates();
  return updates;
}

std::vector<std::string> WeightAverages::Load(const NamedTensors& state,
                                              const std::map<std::string, std::int64_t>& updates,
                                              const std::string& where) {
  std::vector<std::string> missing;
  for (const auto& average : averages_) {
    const auto found = updates.find(average->name());
    if (found == updates.end()) {
      missing.push_back(average->name());
      continue;
    }
    const std::string prefix = average->name() + ".";
    NamedTensors own;
    for (const auto& [name, tensor] : state) {
      if (name.starts_with(prefix)) own.emplace_back(name.substr(prefix.size()), tensor);
    }
    average->Load(own, found->second, where);
  }
  return missing;
}

}  // namespace stemsmith
