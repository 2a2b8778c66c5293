// Configurations of training programs for Demucs' models: `model: NAME`, a map of that name with
// the model's options, and a section on the data.
#pragma once

#include "models/weights/dialects/dialect.h"

namespace stemsmith {

// All but the segment, from `samplerate`, `channels` and the list of stems `stems_key` in `data`.
// The models want whole songs as Demucs itself gives them.
ModelPlan PlanOfTraining(const Config& config, const Config& data, const std::string& stems_key,
                         const ModelPlan& fallback);

// Seconds of a segment in `data`: what both programs take where nothing is said.
double TrainedSeconds(const Config& data);

}  // namespace stemsmith
