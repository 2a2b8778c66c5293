// One song on its way into the cache: its sources are decoded as streams, converted, summed to
// target stems and written, with memory bound by a block per source.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "datasets/cache/track_format.h"
#include "datasets/prepare/options.h"
#include "datasets/readers/track.h"
#include "datasets/recipes/recipe.h"

namespace stemsmith {

struct PreparedTrack {
  TrackRecord record;
  std::vector<std::string> notes;  // SongMixer::Notes
};

// The cache's own file cannot be written (disk full): no song after this one will do better.
struct CacheWriteFailed {
  Error error;
};

// Thrown when `stop` of PrepareTrack says so.
struct PrepareStopped {};

// How samples are stored, of sources with at most so many bits.
CacheSampleType SampleTypeFor(const PrepareTrackOptions& options, int bits_of_sources);

// Hash of all that decides the samples besides the content of the sources. Comments in a recipe do
// not count.
std::string TrackRecipeHash(const Track& track, const TrackMix& mix,
                            const PrepareTrackOptions& options);

// Writes the track file. `progress` is told the share of the song that was newly done (sums to at
// most 1) and says whether to stop. Throws Error for sources that cannot be used, CacheWriteFailed,
// PrepareStopped.
PreparedTrack PrepareTrack(const Track& track, const TrackMix& mix,
                           const PrepareTrackOptions& options, const std::filesystem::path& file,
                           const std::function<bool(double share)>& progress);

// Whether a song of so many frames was too short for the excerpt that was asked for.
bool IsShorterThanExcerpt(std::int64_t frames, const PrepareTrackOptions& options);

// Whether `file` holds this song as it would be written now: then its record, with the sources'
// times of now. `indexed` is what the index remembers of the song (may be null).
std::optional<TrackRecord> FreshTrack(const Track& track, const TrackMix& mix,
                                      const PrepareTrackOptions& options,
                                      const std::filesystem::path& file,
                                      const TrackRecord* indexed);

}  // namespace stemsmith
