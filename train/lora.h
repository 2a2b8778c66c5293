// Fine-tuning by low-rank adapters beside frozen layers:
//   lora: {rank: 8, alpha: 16, dropout: 0, targets: ["*.to_qkv", "*.to_out.0"]}
#pragma once

#include <optional>

#include "core/config.h"
#include "models/separation_model.h"

namespace stemsmith {

// Gives the fully connected layers of a frozen model (FreezeParameters) that match a target an
// adapter each, whose parameters are those to train. `config` is the training configuration.
// Returns alpha, or nothing without `lora`. Throws Error for a training that starts from no
// weights, targets that match no such layer (with the nearest name) and ranks above a layer's size.
std::optional<double> AddAdapters(const Config& config, SeparationModel& model);

}  // namespace stemsmith
