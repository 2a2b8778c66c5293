// Optimisers with their state by name, so that a resumed run goes on exactly and a checkpoint can
// be read elsewhere. LibTorch's own keep it by position and address.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "models/checkpoint.h"

namespace stemsmith {

// One thread at a time. Parameters without a gradient are left alone, their state too.
class Optimizer {
 public:
  explicit Optimizer(NamedTensors parameters) : parameters_(std::move(parameters)) {}
  virtual ~Optimizer() = default;

  const NamedTensors& parameters() const { return parameters_; }
  void ZeroGrad();
  virtual void Step(double learning_rate) = 0;

  // "SLOT.PARAMETER" for every slot ("exp_avg", …): the live tensors, not copies.
  NamedTensors State() const;
  // Copies by name. Throws Error (`where` names the file) for missing, unexpected or differently
  // shaped ones.
  void LoadState(const NamedTensors& state, const std::string& where);

 protected:
  // A kind of state with one tensor per parameter.
  struct Slot {
    std::string name;
    std::vector<torch::Tensor> tensors;
  };
  NamedTensors parameters_;
  std::vector<Slot> slots_;
};

struct OptimizerRow {
  const char* name;
  const char* summary;
  // `config` is the `optimizer` node without `name` and `lr`.
  std::unique_ptr<Optimizer> (*make)(const Config& config, NamedTensors parameters);
};
const std::vector<OptimizerRow>& OptimizerTable();
// Throws Error for unknown names (with the nearest one).
std::unique_ptr<Optimizer> MakeOptimizer(const Config& config, NamedTensors parameters);

// Scales all gradients so that their common 2-norm is at most `max_norm` (0: no limit). Returns the
// norm before that, NaN or infinite where a gradient is; then nothing is scaled.
double ClipGradients(const NamedTensors& parameters, double max_norm);

}  // namespace stemsmith
