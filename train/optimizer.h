// Optimisers with their state by name, so that a resumed run goes on exactly and a checkpoint can
// be read elsewhere. LibTorch's own keep it by position and address.
//
// A further optimiser is a file in optimizers/ with a row in optimizer.cpp.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "models/checkpoint.h"
#include "train/parameter_groups.h"

namespace stemsmith {

// One thread at a time. Parameters without a gradient are left alone, their state too.
class Optimizer {
 public:
  // `config` is the `optimizer` node, for the settings of single parameters.
  Optimizer(const Config& config, NamedTensors parameters, double weight_decay)
      : parameters_(std::move(parameters)),
        groups_(MakeParameterGroups(config, parameters_, weight_decay)) {}
  virtual ~Optimizer() = default;

  const NamedTensors& parameters() const { return parameters_; }
  void ZeroGrad();
  // One update of all parameters; each group takes its share of the rate.
  void Step(double learning_rate);

  // "SLOT.PARAMETER" for every slot ("exp_avg", …): the live tensors, not copies.
  NamedTensors State() const;
  // Copies by name. Throws Error (`where` names the file) for missing, unexpected or differently
  // shaped ones.
  void LoadState(const NamedTensors& state, const std::string& where);

 protected:
  // What is updated together: parameters with a gradient, and their state.
  struct Update {
    std::vector<torch::Tensor> values, gradients;
    std::vector<std::vector<torch::Tensor>> slots;  // a list per slot; undefined where it has none
    double learning_rate = 0.0;
    double weight_decay = 0.0;
  };
  // Never without parameters. `update.gradients` are laid out as the values are, and may be
  // overwritten.
  virtual void Apply(Update& update) = 0;
  // Adds a kind of state: zeros of each parameter's shape, or one number for each. `holders`: which
  // parameters have it; empty: all.
  void AddSlot(const std::string& name, bool single_number = false,
               const std::vector<bool>& holders = {});

 private:
  // A kind of state with one tensor per parameter.
  struct Slot {
    std::string name;
    std::vector<torch::Tensor> tensors;  // undefined: the parameter has none
  };
  NamedTensors parameters_;
  std::vector<ParameterGroup> groups_;
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

// The makers of the table's rows.
std::unique_ptr<Optimizer> MakeAdam(const Config& config, NamedTensors parameters);
std::unique_ptr<Optimizer> MakeAdamW(const Config& config, NamedTensors parameters);
std::unique_ptr<Optimizer> MakeMuon(const Config& config, NamedTensors parameters);
std::unique_ptr<Optimizer> MakeSgd(const Config& config, NamedTensors parameters);

// Scales all gradients so that their common 2-norm is at most `max_norm` (0: no limit). Returns the
// norm before that, NaN or infinite where a gradient is; then nothing is scaled.
double ClipGradients(const NamedTensors& parameters, double max_norm);

}  // namespace stemsmith
