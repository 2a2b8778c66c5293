// How long the training segments are.
#pragma once

#include <cstdint>

#include "core/config.h"
#include "datasets/cache/cache.h"
#include "models/separation_model.h"
#include "train/options.h"

namespace stemsmith {

// dataset.segment_seconds in frames, rounded to the nearest length that the model takes without
// padding and that the longest training song has. Throws Error when every song is shorter, when the
// cache has no training songs, and when a batch needs more segments than the songs hold; `config`
// is for the lines in these.
std::int64_t ChooseSegmentFrames(const CacheReader& cache, const SeparationModel& model,
                                 const TrainOptions& options, const Config& config);

}  // namespace stemsmith
