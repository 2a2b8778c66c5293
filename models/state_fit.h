// How well weights fit a model: by name and shape.
#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

struct StateFit {
  std::vector<std::string> missing, unexpected;
  std::vector<std::string> misshapen;  // "name [3, 4] for [3, 5]": the given shape, the model's
  std::size_t fitting = 0;             // tensors of the model that are there in the right shape
  std::size_t wanted = 0;              // tensors of the model

  bool fits() const { return missing.empty() && unexpected.empty() && misshapen.empty(); }
  // "2 missing: a, b; 1 of another shape: …", at most `shown` names of each.
  std::string Text(std::size_t shown = 4) const;
};

StateFit CompareStates(const NamedTensors& given, const NamedTensors& model);

// Where the weights given do not fit all and every tensor of the model, `partial` keeps those that
// do and leaves the others as they are; else that is an Error, which names `option` as the way to.
// So is it where nothing fits or the result is not finite. `about` says more of the names given.
// `model` is a state dict, whose tensors are written to; other types are converted (float16 becomes
// float32 exactly).
StateFit FillState(const NamedTensors& given, const NamedTensors& model, bool partial,
                   const std::string& option, const std::string& where,
                   const std::string& about = "");

}  // namespace stemsmith
