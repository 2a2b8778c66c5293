// The graph of a model, as a trace records it.
#pragma once

#include <torch/csrc/jit/frontend/tracer.h>

#include <memory>
#include <string>

#include "models/separation_model.h"

namespace stemsmith::testing {

// Of Separate at the example; the model's weights become constants.
inline std::shared_ptr<torch::jit::Graph> TraceSeparate(SeparationModel& model,
                                                        const torch::Tensor& example) {
  torch::NoGradGuard no_grad;
  for (auto& parameter : model.parameters()) parameter.requires_grad_(false);
  return torch::jit::tracer::trace(
             {example},
             [&](torch::jit::Stack stack) -> torch::jit::Stack {
               return {model.Separate(stack.front().toTensor())};
             },
             [](const torch::autograd::Variable&) { return std::string(); }, /*strict=*/true,
             /*force_outplace=*/false, /*self=*/nullptr, {"mix"})
      .first->graph;
}

}  // namespace stemsmith::testing
