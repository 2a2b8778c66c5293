// Parts of a model that a training leaves as they are: `freeze: [PATTERN, …]` by parameter names,
// and all of it but adapters with `lora:`.
#pragma once

#include "core/config.h"
#include "models/separation_model.h"

namespace stemsmith {

// Parameters whose whole names match a pattern get no gradients any more. Normalisations by batch
// all of whose parameters are frozen keep their statistics too: they compute as they do when the
// model separates. Returns how many values are frozen. Throws Error for patterns that match nothing
// (with the nearest name) and where nothing is left to train. With `lora` everything is frozen, for
// adapters to be added.
std::int64_t FreezeParameters(const Config& config, SeparationModel& model);

}  // namespace stemsmith
