// The index of a cache: the file that is called `cache.h5`. docs/cache_format.md describes it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/host.h"
#include "datasets/cache/track_format.h"

namespace stemsmith {

struct CacheIndex {
  std::vector<std::string> stems;
  int sample_rate_hz = 44100;
  int channels = 2;
  // Where the cache holds spectrograms instead of audio.
  std::optional<SpectrogramFormat> spectrogram;
  // How the cache was made; empty where it was not made from files.
  std::string kind;                 // row of the reader table
  std::string root;                 // absolute path of the dataset
  std::string recipe;               // YAML text, "" for the default recipe
  std::string command;              // the command line that prepares it again
  std::vector<TrackRecord> tracks;  // sorted by split and name

  // Hash of everything that decides the samples.
  std::string Fingerprint() const;
};

// The folder beside the index that holds the track files: cache.h5 → cache.h5.d
std::filesystem::path CacheTrackFolder(const std::filesystem::path& index_path);
// The file name of a track in that folder. Fits every file system's limit; different names,
// different files.
std::string CacheTrackFileName(const std::string& track_name);

// Writes the index with an external link per track (`/tracks/NAME`), atomically. Throws Error.
void WriteCacheIndex(const std::filesystem::path& path, const CacheIndex& index);
// Throws Error: missing, no cache, cut off or damaged, another version. Warns of an index without a
// checksum.
CacheIndex ReadCacheIndex(const std::filesystem::path& path, const Listener& warn = {});
// The index that is about to be written again: none where the file is missing, a damaged cache or
// one of an older version.
// Throws Error for what must not be overwritten: other files, and caches of a newer version.
std::optional<CacheIndex> ReadReplaceableIndex(const std::filesystem::path& path);

}  // namespace stemsmith
