// What writer and reader of a track file share.
#pragma once

#include <filesystem>
#include <string>

#include "core/error.h"
#include "datasets/cache/track.h"

namespace stemsmith {

inline constexpr char kTrackFormatName[] = "stemsmith-track";

// Of all that a track's file says of itself.
std::string RecordHash(const TrackRecord& record);

Error DamagedTrack(const std::filesystem::path& path, const std::string& what);

}  // namespace stemsmith
