// What a model costs, found out without computing anything: it is built and run on tensors that
// have shapes but no data, while every operator is looked at. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/separation_model.h"

namespace stemsmith {

struct ModelCost {
  std::int64_t parameters = 0;
  LengthRule length_rule;   // the model's, as it is exported
  std::int64_t frames = 0;  // the length it was run with: the next of the rule
  // Multiply–accumulates of one item of that length in convolutions, matrix products, recurrent
  // layers and attention; Fourier transforms and elementwise operators are not counted.
  double macs = 0;
  // Weights, and the most that one item needs beside them.
  std::int64_t inference_bytes = 0;
  // Weights, gradients and Adam's two moments, and what a batch keeps for the backward pass.
  std::int64_t training_bytes = 0;
  // From the first to the last frame of the mix that one frame of the result depends on; 0: all.
  std::int64_t receptive_field_frames = 0;
};

// For items of at least `frames` and training batches of `batch`. Throws Error as MakeModel does,
// and where the model uses an operator that does not run without data.
ModelCost MeasureCost(const Config& config, const ModelSetting& setting, std::int64_t frames,
                      std::int64_t batch);

// Names and shapes of the state dict of the model that `config` means, which is not initialised for
// that: takes no time, no memory and no random numbers. Throws Error as MakeModel does.
std::vector<std::pair<std::string, std::vector<std::int64_t>>> StateShapes(
    const Config& config, const ModelSetting& setting);

}  // namespace stemsmith
