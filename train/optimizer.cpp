#include "train/optimizer.h"

#include <cmath>
#include <map>

#include "train/table.h"

namespace stemsmith {
namespace {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
  bool decoupled = false;  // AdamW: the decay acts on the weights, not through the gradient
};

AdamOptions ReadAdamOptions(const Config& config, bool decoupled) {
  AdamOptions options;
  options.decoupled = decoupled;
  const std::vector<double> betas = config.Numbers("betas", {options.beta1, options.beta2});
  if (betas.size() != 2 || !(betas[0] >= 0 && betas[0] < 1 && betas[1] >= 0 && betas[1] < 1)) {
    throw Error::Usage("optimizer.betas must be two numbers from 0 up to, but not, 1",
                       config.Where("betas"), "the usual ones are [0.9, 0.999]");
  }
  options.beta1 = betas[0];
  options.beta2 = betas[1];
  options.eps = config.NumberIn("eps", options.eps, 0.0, 1.0);
  options.weight_decay = config.NumberIn("weight_decay", decoupled ? 0.01 : 0.0, 0.0, 1e3);
  return options;
}

// Adam (Kingma, Ba 2015) and AdamW (Loshchilov, Hutter 2019) on LibTorch's fused kernels, which are
// one pass over memory and element by element, thus the same bits for any thread count.
class Adam : public Optimizer {
 public:
  Adam(NamedTensors parameters, const AdamOptions& options)
      : Optimizer(std::move(parameters)), options_(options) {
    slots_ = {{"exp_avg", {}}, {"exp_avg_sq", {}}, {"step", {}}};
    for (const auto& [name, parameter] : parameters_) {
      slots_[0].tensors.push_back(torch::zeros_like(parameter));
      slots_[1].tensors.push_back(torch::zeros_like(parameter));
      slots_[2].tensors.push_back(torch::zeros({}, parameter.options().dtype(torch::kFloat32)));
    }
  }

  void Step(double learning_rate) override {
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> values, gradients, averages, squares, steps;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const torch::Tensor& parameter = parameters_[i].second;
      torch::Tensor gradient = parameter.grad();
      if (!gradient.defined()) continue;
      // The kernel walks all arrays alike: a gradient laid out in another order must be copied.
      if (gradient.strides() != parameter.strides()) {
        gradient = torch::empty_like(parameter).copy_(gradient);
      }
      values.push_back(parameter);
      gradients.push_back(gradient);
      averages.push_back(slots_[0].tensors[i]);
      squares.push_back(slots_[1].tensors[i]);
      steps.push_back(slots_[2].tensors[i]);
    }
    if (values.empty()) return;
    at::_foreach_add_(steps, 1);
    const AdamOptions& o = options_;
    if (o.decoupled) {
      at::_fused_adamw_(values, gradients, averages, squares, {}, steps, learning_rate, o.beta1,
                        o.beta2, o.weight_decay, o.eps, /*amsgrad=*/false, /*maximize=*/false);
    } else {
      at::_fused_adam_(values, gradients, averages, squares, {}, steps, learning_rate, o.beta1,
                       o.beta2, o.weight_decay, o.eps, /*amsgrad=*/false, /*maximize=*/false);
    }
  }

 private:
  AdamOptions options_;
};

}  // namespace

void Optimizer::ZeroGrad() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

NamedTensors Optimizer::State() const {
  NamedTensors state;
  for (const Slot& slot : slots_) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      state.emplace_back(slot.name + "." + parameters_[i].first, slot.tensors[i]);
    }
  }
  return state;
}

void Optimizer::LoadState(const NamedTensors& state, const std::string& where) {
  torch::NoGradGuard no_grad;
  std::map<std::string, torch::Tensor> given(state.begin(), state.end());
  for (auto& [name, tensor] : State()) {
    const auto found = given.find(name);
    if (found == given.end() || found->second.sizes() != tensor.sizes()) {
      throw Error::Input("the optimiser state '" + name + "' is missing or of another shape", where,
                         "the checkpoint belongs to another configuration; use another --run");
    }
    tensor.copy_(found->second);
    given.erase(found);
  }
  if (!given.empty()) {
    throw Error::Input("unexpected optimiser state '" + given.begin()->first + "'", where,
                       "the checkpoint belongs to another configuration; use another --run");
  }
}

const std::vector<OptimizerRow>& OptimizerTable() {
  static const std::vector<OptimizerRow> table = {
      {"adam", "Adam; weight_decay acts through the gradient",
       [](const Config& config, NamedTensors parameters) -> std::unique_ptr<Optimizer> {
         return std::make_unique<Adam>(std::move(parameters), ReadAdamOptions(config, false));
       }},
      {"adamw", "Adam with decoupled weight decay",
       [](const Config& config, NamedTensors parameters) -> std::unique_ptr<Optimizer> {
         return std::make_unique<Adam>(std::move(parameters), ReadAdamOptions(config, true));
       }},
  };
  return table;
}

std::unique_ptr<Optimizer> MakeOptimizer(const Config& config, NamedTensors parameters) {
  const OptimizerRow& row =
      FindRow(OptimizerTable(), config.String("name", "adam"), "optimizer", config);
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
