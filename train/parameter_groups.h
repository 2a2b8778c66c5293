// Settings of single parameters, chosen by their names:
//   groups: [{match: "encoder.*", lr_factor: 0.1}, {match: "*.embedding.*", weight_decay: 0}]
//   decay_norms_and_biases: false
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/config.h"
#include "models/checkpoint.h"

namespace stemsmith {

// Parameters that are updated alike.
struct ParameterGroup {
  std::vector<std::size_t> members;  // numbers of parameters, ascending
  double lr_factor = 1.0;            // of the learning rate
  double weight_decay = 0.0;
};

// Whether a parameter is a bias or a scale: everything with at most one dimension, and what is
// called a bias.
bool IsNormOrBias(const std::string& name, const torch::Tensor& parameter);

// The parameters sorted by what `groups` and `decay_norms_and_biases` of the optimiser's
// configuration say of each; `weight_decay` is that of parameters of which nothing is said. A
// parameter takes the first pattern that matches its whole name (`*` stands for any characters,
// dots among them). Throws Error for patterns that match nothing, naming the nearest name, or
// nothing that an earlier one has left.
std::vector<ParameterGroup> MakeParameterGroups(const Config& optimizer,
                                                const NamedTensors& parameters,
                                                double weight_decay);

// The numbers of the parameters whose whole name matches the glob `pattern`. Throws Error at
// `where` when there is none, naming the nearest name. `thing`: what they are called there.
std::vector<std::size_t> MatchParameters(const std::string& pattern, const NamedTensors& parameters,
                                         const std::string& where,
                                         const std::string& thing = "parameter");

}  // namespace stemsmith
