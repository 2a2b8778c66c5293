// What writer and reader of a track file share.
#pragma once

#include <filesystem>
#include <string>

#include "core/error.h"
#include "datasets/cache_track.h"

namespace stemsmith {

inline constexpr char kTrackFormatName[] = "stemsmith-track";

Error DamagedTrack(const std::filesystem::path& path, const std::string& what);

}  // namespace stemsmith
