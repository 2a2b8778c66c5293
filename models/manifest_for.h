// The manifest of a checkpoint's model.
#pragma once

#include <string>

#include "models/checkpoint.h"
#include "models/separation_model.h"
#include "separate/manifest.h"

namespace stemsmith {

// All of it but the versions, which an export adds. `segment_seconds` (0: as in training) picks the
// nearest length that the model takes. The checkpoint's weights are not looked at.
Manifest ManifestFor(const Checkpoint& checkpoint, const SeparationModel& model,
                     double segment_seconds, const std::string& where);

}  // namespace stemsmith
