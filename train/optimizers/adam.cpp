// Adam (Kingma, Ba 2015) and AdamW (Loshchilov, Hutter 2019) on LibTorch's fused kernels, which are
// one pass over memory and element by element, thus the same bits for any thread count.
#include "core/error.h"
#include "train/optimizer.h"

namespace stemsmith {
namespace {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
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
  return options;
}

class Adam : public Optimizer {
 public:
  Adam(const Config& config, NamedTensors parameters, bool decoupled)
      : Optimizer(config, std::move(parameters),
                  config.NumberIn("weight_decay", decoupled ? 0.01 : 0.0, 0.0, 1e3)),
        options_(ReadAdamOptions(config, decoupled)) {
    AddSlot("exp_avg");
    AddSlot("exp_avg_sq");
    AddSlot("step", /*single_number=*/true);
  }

 private:
  void Apply(Update& update) override {
    const AdamOptions& o = options_;
    const auto& averages = update.slots[0];
    const auto& squares = update.slots[1];
    const auto& steps = update.slots[2];
    at::_foreach_add_(steps, 1);
    if (o.decoupled) {
      at::_fused_adamw_(update.values, update.gradients, averages, squares, {}, steps,
                        update.learning_rate, o.beta1, o.beta2, update.weight_decay, o.eps,
                        /*amsgrad=*/false, /*maximize=*/false);
    } else {
      at::_fused_adam_(update.values, update.gradients, averages, squares, {}, steps,
                       update.learning_rate, o.beta1, o.beta2, update.weight_decay, o.eps,
                       /*amsgrad=*/false, /*maximize=*/false);
    }
  }

  AdamOptions options_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdam(const Config& config, NamedTensors parameters) {
  return std::make_unique<Adam>(config, std::move(parameters), /*decoupled=*/false);
}

std::unique_ptr<Optimizer> MakeAdamW(const Config& config, NamedTensors parameters) {
  return std::make_unique<Adam>(config, std::move(parameters), /*decoupled=*/true);
}

}  // namespace stemsmith
