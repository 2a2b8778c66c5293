// Low-rank adapters (models/layers/linear.h) among the weights that they belong to.
#pragma once

#include <string>

#include "models/state_fit.h"

namespace stemsmith {

// Takes "LAYER.lora_A" [r, in] and "LAYER.lora_B" [out, r] into "LAYER.weight" [out, in]:
// W + B · A · alpha / r. Throws Error at `where` for adapters whose layer or other half is missing
// or of another shape.
void MergeAdapters(NamedTensors& weights, double alpha, const std::string& where);

// The adapters alone.
NamedTensors AdaptersOf(const NamedTensors& weights);

}  // namespace stemsmith
