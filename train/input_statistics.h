// What a model is shown of the training data before the first step
// (SeparationModel::UseStatistics).
#pragma once

#include <cstdint>

#include "datasets/cache/cache.h"
#include "models/separation_model.h"

namespace stemsmith {

// Shows `model` the mixtures of at most 128 segments, evenly spread over the training songs,
// without augmentation: the same for the same cache and length. Nothing is read unless the model
// asks. Does nothing with caches of spectrograms. Throws DamagedAudio.
void ShowTrainingSongs(const CacheReader& cache, std::int64_t segment_frames,
                       const torch::Device& device, SeparationModel& model);

}  // namespace stemsmith
