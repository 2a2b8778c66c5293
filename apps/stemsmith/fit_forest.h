// `baseline forest --fit`: a forest from the training songs of a cache.
#pragma once

#include <filesystem>

#include "core/config.h"
#include "core/host.h"

namespace stemsmith {

// Fits a forest with `settings` (those of configs/baselines/forest.yaml) to songs of the split
// `train` of a cache and writes it to `out`. Throws Error as FitForest does, and for a file that is
// no cache of audio.
void FitForestToCache(const std::filesystem::path& cache, const Config& settings,
                      const std::filesystem::path& out, const Host& host);

}  // namespace stemsmith
