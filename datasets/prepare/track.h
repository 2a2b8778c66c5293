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

#include "datasets/cache/track.h"
#include "datasets/readers/track.h"
#include "datasets/recipes/recipe.h"

namespace stemsmith {

// The numbers of all but the new ones stand in the recipe hashes of older caches.
enum class CacheFormat { kAuto = 0, kInt16 = 1, kFloat32 = 2, kFloat16 = 3 };
const char* CacheFormatName(CacheFormat format);  // "auto", "int16", "float16", "float32"

// What of a song is left out.
struct TrimOptions {
  // Silence is cut out: stretches of at least min_silence_seconds in which every stem and their sum
  // stay below this level (dB relative to full scale), but for 50 ms next to what sounds.
  std::optional<double> silence_db;
  double min_silence_seconds = 1.0;
  // Of each song (after that) so much from its middle; shorter songs are kept whole. 0: all of it.
  double excerpt_seconds = 0;
};

struct PrepareTrackOptions {
  std::filesystem::path root;      // source paths are remembered relative to it
  std::vector<std::string> stems;  // S names, as many as the mix has targets
  int sample_rate_hz = 44100;
  int channels = 2;
  // kAuto: int16 where every source has at most 16 bits, else float32.
  CacheFormat format = CacheFormat::kAuto;
  SplitChannels source_channels;  // which channels of the sources are taken
  TrimOptions trim;
  int compression = 0;  // as in TrackFormat
  // Stored instead of audio, as float32 or, where the format says so, float16.
  std::optional<SpectrogramFormat> spectrogram;
  OnDamage on_damage = OnDamage::kFail;
};

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
