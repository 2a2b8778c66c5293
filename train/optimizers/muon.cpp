// Muon (Jordan et al. 2024, github.com/KellerJordan/Muon): the momentum of a matrix, made
// orthogonal, is its step. Steps are scaled as Liu et al. 2025 (arXiv:2502.16982) do, to the size
// of AdamW's, so that one learning rate and one weight decay serve both; torch.optim.Muon calls
// that match_rms_adamw. In float32, where torch's computes the orthogonal matrix in bfloat16.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "train/optimizers/adam.h"
#include "train/parameter_groups.h"

namespace stemsmith {
namespace {

// The nearest matrix whose singular values are all about 1 (0.7 to 1.2), by five steps of a
// Newton–Schulz iteration with the coefficients of the reference. matrix [rows, columns].
torch::Tensor Orthogonal(const torch::Tensor& matrix) {
  constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
  constexpr int kSteps = 5;
  constexpr double kSmallestNorm = 1e-7;
  const bool tall = matrix.size(0) > matrix.size(1);
  torch::Tensor x = tall ? matrix.t() : matrix;
  x = x / x.norm().clamp_min(kSmallestNorm);
  for (int i = 0; i < kSteps; ++i) {
    const torch::Tensor gram = x.mm(x.t());
    x = torch::addmm(x, torch::addmm(gram, gram, gram, kB, kC), x, kA);
  }
  return tall ? x.t() : x;
}

// Which parameters are matrices or kernels, but for those that `optimizer.adamw` names.
std::vector<bool> ChooseHidden(const Config& config, const NamedTensors& parameters) {
  std::vector<bool> hidden;
  for (const auto& [name, parameter] : parameters)
    hidden.push_back(parameter.dim() >= 2 && !IsNormOrBias(name, parameter));
  for (const std::string& pattern : config.Strings("adamw"))
    for (const std::size_t i : MatchParameters(pattern, parameters, config.Where("adamw")))
      hidden[i] = false;
  if (std::none_of(hidden.begin(), hidden.end(), [](bool is) { return is; })) {
    throw Error::Usage("optimizer.adamw leaves no matrix to Muon", config.Where("adamw"),
                       "take a pattern out, or use name: adamw");
  }
  return hidden;
}

std::vector<bool> Not(std::vector<bool> flags) {
  flags.flip();
  return flags;
}

class Muon : public Adam {
 public:
  Muon(const Config& config, const NamedTensors& parameters, const std::vector<bool>& hidden)
      : Adam(config, parameters, /*decoupled=*/true, Not(hidden)),
        momentum_(config.NumberIn("momentum", 0.95, 0.0, 0.9999999)),
        nesterov_(config.Bool("nesterov", true)) {
    AddSlot("momentum", /*single_number=*/false, hidden);
  }

 private:
  void Apply(Update& update) override {
    Update rest;
    rest.learning_rate = update.learning_rate;
    rest.weight_decay = update.weight_decay;
    rest.slots.resize(kSlots);
    for (std::size_t i = 0; i < update.values.size(); ++i) {
      if (const torch::Tensor& momentum = update.slots[kSlots][i]; momentum.defined()) {
        Move(update.values[i], update.gradients[i], momentum, update);
        continue;
      }
      rest.values.push_back(update.values[i]);
      rest.gradients.push_back(update.gradients[i]);
      for (std::size_t s = 0; s < kSlots; ++s) rest.slots[s].push_back(update.slots[s][i]);
    }
    if (!rest.values.empty()) Adam::Apply(rest);
  }

  void Move(const torch::Tensor& value, const torch::Tensor& gradient,
            const torch::Tensor& momentum, const Update& update) const {
    momentum.lerp_(gradient, 1.0 - momentum_);
    const torch::Tensor direction = nesterov_ ? gradient.lerp(momentum, momentum_) : momentum;
    const torch::Tensor step = Orthogonal(direction.flatten(1));  // kernels by their outputs
    const double side = static_cast<double>(std::max(step.size(0), step.size(1)));
    value.mul_(1.0 - update.learning_rate * update.weight_decay);
    value.add_(step.reshape(value.sizes()), -update.learning_rate * 0.2 * std::sqrt(side));
  }

  double momentum_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeMuon(const Config& config, NamedTensors parameters) {
  const std::vector<bool> hidden = ChooseHidden(config, parameters);
  return std::make_unique<Muon>(config, parameters, hidden);
}

}  // namespace stemsmith
