// What an index says of other files, against what lies on the disk.
#pragma once

#include <filesystem>
#include <string>

#include "core/host.h"
#include "datasets/cache/index.h"

namespace stemsmith {

// How to make the cache again.
std::string PrepareAdvice(const CacheIndex& index);

// Throws Error where a track of the cache at `path` is missing, cut off or replaced; names the
// folder where all are missing, as the cache was moved without it.
void CheckTrackFiles(const CacheIndex& index, const std::filesystem::path& path);

// Throws Error where a file that the cache was made of changed. Warns where only times did.
void CheckSources(const CacheIndex& index, const std::filesystem::path& path, const Listener& warn);

}  // namespace stemsmith
