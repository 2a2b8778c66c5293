#include "train/optimizer.h"

#include <cmath>
#include <map>

#include "core/names.h"
#include "core/option.h"

namespace stemsmith {

void Optimizer::ZeroGrad() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

void Optimizer::AddSlot(const std::string& name, bool single_number,
                        const std::vector<bool>& holders) {
  Slot slot{name, {}};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const torch::Tensor& parameter = parameters_[i].second;
    torch::Tensor& tensor = slot.tensors.emplace_back();
    if (!holders.empty() && !holders[i]) continue;
    tensor = single_number ? torch::zeros({}, parameter.options().dtype(torch::kFloat32))
                           : torch::zeros_like(parameter);
  }
  slots_.push_back(std::move(slot));
}

void Optimizer::Step(double learning_rate) {
  torch::NoGradGuard no_grad;
  for (const ParameterGroup& group : groups_) {
    Update update;
    update.learning_rate = learning_rate * group.lr_factor;
    update.weight_decay = group.weight_decay;
    update.slots.resize(slots_.size());
    for (const std::size_t i : group.members) {
      const torch::Tensor& parameter = parameters_[i].second;
      torch::Tensor gradient = parameter.grad();
      if (!gradient.defined()) continue;
      // The kernels walk all arrays alike: a gradient laid out in another order must be copied.
      if (gradient.strides() != parameter.strides()) {
        gradient = torch::empty_like(parameter).copy_(gradient);
      }
      update.values.push_back(parameter);
      update.gradients.push_back(gradient);
      for (std::size_t s = 0; s < slots_.size(); ++s)
        update.slots[s].push_back(slots_[s].tensors[i]);
    }
    if (!update.values.empty()) Apply(update);
  }
}

NamedTensors Optimizer::State() const {
  NamedTensors state;
  for (const Slot& slot : slots_) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (slot.tensors[i].defined())
        state.emplace_back(slot.name + "." + parameters_[i].first, slot.tensors[i]);
    }
  }
  return state;
}

void Optimizer::LoadState(const NamedTensors& state, const std::string& where) {
  torch::NoGradGuard no_grad;
  std::map<std::string, torch::Tensor> given(state.begin(), state.end());
  std::vector<std::pair<torch::Tensor, torch::Tensor>> wanted;  // nothing is copied before all fit
  for (auto& [name, tensor] : State()) {
    const auto found = given.find(name);
    if (found == given.end() || found->second.sizes() != tensor.sizes()) {
      throw Error::Input(
          "the optimiser state '" + name + "' is missing or of another shape", where,
          "the checkpoint belongs to another configuration; use another " + Option("run"));
    }
    wanted.emplace_back(tensor, found->second);
    given.erase(found);
  }
  if (!given.empty()) {
    throw Error::Input(
        "unexpected optimiser state '" + given.begin()->first + "'", where,
        "the checkpoint belongs to another configuration; use another " + Option("run"));
  }
  for (auto& [tensor, value] : wanted) tensor.copy_(value);
}

const std::vector<OptimizerRow>& OptimizerTable() {
  static const std::vector<OptimizerRow> table = {
      {"adam", "Adam; weight_decay acts through the gradient", MakeAdam},
      {"adamw", "Adam with decoupled weight decay", MakeAdamW},
      {"muon", "orthogonalised momentum for matrices and kernels, adamw for all else", MakeMuon},
      {"sgd", "gradient descent, with momentum and Nesterov's look ahead on request", MakeSgd},
  };
  return table;
}

std::unique_ptr<Optimizer> MakeOptimizer(const Config& config, NamedTensors parameters) {
  const OptimizerRow& row =
      FindRow(OptimizerTable(), config.String("name", "adam"), "optimizer", config.Where("name"));
  return row.make(config, std::move(parameters));
}

double ClipGradients(const NamedTensors& parameters, double max_norm) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  if (gradients.empty()) return 0.0;
  const double norm = torch::stack(at::_foreach_norm(gradients)).norm().item<double>();
  if (max_norm > 0 && std::isfinite(norm) && norm > max_norm) {
    at::_foreach_mul_(gradients, max_norm / (norm + 1e-6));
  }
  return norm;
}

}  // namespace stemsmith
