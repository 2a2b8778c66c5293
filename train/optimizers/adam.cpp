#include "train/optimizers/adam.h"

#include "core/error.h"

namespace stemsmith {

Adam::Adam(const Config& config, NamedTensors parameters, bool decoupled,
           const std::vector<bool>& holders)
    : Optimizer(config, std::move(parameters),
                config.NumberIn("weight_decay", decoupled ? 0.01 : 0.0, 0.0, 1e3)),
      decoupled_(decoupled) {
  const std::vector<double> betas = config.Numbers("betas", {beta1_, beta2_});
  if (betas.size() != 2 || !(betas[0] >= 0 && betas[0] < 1 && betas[1] >= 0 && betas[1] < 1)) {
    throw Error::Usage("optimizer.betas must be two numbers from 0 up to, but not, 1",
                       config.Where("betas"), "the usual ones are [0.9, 0.999]");
  }
  beta1_ = betas[0];
  beta2_ = betas[1];
  eps_ = config.NumberIn("eps", eps_, 0.0, 1.0);
  AddSlot("exp_avg", /*single_number=*/false, holders);
  AddSlot("exp_avg_sq", /*single_number=*/false, holders);
  AddSlot("step", /*single_number=*/true, holders);
}

void Adam::Apply(Update& update) {
  const auto& averages = update.slots[0];
  const auto& squares = update.slots[1];
  const auto& steps = update.slots[2];
  at::_foreach_add_(steps, 1);
  if (decoupled_) {
    at::_fused_adamw_(update.values, update.gradients, averages, squares, {}, steps,
                      update.learning_rate, beta1_, beta2_, update.weight_decay, eps_,
                      /*amsgrad=*/false, /*maximize=*/false);
  } else {
    at::_fused_adam_(update.values, update.gradients, averages, squares, {}, steps,
                     update.learning_rate, beta1_, beta2_, update.weight_decay, eps_,
                     /*amsgrad=*/false, /*maximize=*/false);
  }
}

std::unique_ptr<Optimizer> MakeAdam(const Config& config, NamedTensors parameters) {
  return std::make_unique<Adam>(config, std::move(parameters), /*decoupled=*/false);
}

std::unique_ptr<Optimizer> MakeAdamW(const Config& config, NamedTensors parameters) {
  return std::make_unique<Adam>(config, std::move(parameters), /*decoupled=*/true);
}

}  // namespace stemsmith
