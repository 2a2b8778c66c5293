// Stochastic gradient descent with the momentum of Sutskever et al. 2013 as torch.optim.SGD has it
// (velocity ← momentum · velocity + gradient; weight ← weight − rate · velocity), on LibTorch's
// fused kernel.
#include "core/error.h"
#include "train/optimizer.h"

namespace stemsmith {
namespace {

class Sgd : public Optimizer {
 public:
  Sgd(const Config& config, NamedTensors parameters)
      : Optimizer(config, std::move(parameters), config.NumberIn("weight_decay", 0.0, 0.0, 1e3)),
        momentum_(config.NumberIn("momentum", 0.0, 0.0, 0.9999999)),
        nesterov_(config.Bool("nesterov", false)) {
    if (nesterov_ && momentum_ == 0.0) {
      throw Error::Usage("optimizer.nesterov looks ahead along a momentum, and there is none",
                         config.Where("nesterov"), "set optimizer.momentum, for example to 0.9");
    }
    if (momentum_ > 0.0) AddSlot("momentum");
  }

 private:
  void Apply(Update& update) override {
    // From a velocity of zero the first step is the gradient itself, as in torch.
    at::_fused_sgd_(update.values, update.gradients,
                    momentum_ > 0.0 ? update.slots[0] : std::vector<torch::Tensor>{},
                    update.weight_decay, momentum_, update.learning_rate, /*dampening=*/0.0,
                    nesterov_, /*maximize=*/false, /*is_first_step=*/false);
  }

  double momentum_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeSgd(const Config& config, NamedTensors parameters) {
  return std::make_unique<Sgd>(config, std::move(parameters));
}

}  // namespace stemsmith
