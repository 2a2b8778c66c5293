// The HDF5 cache as seen by those who read it: docs/cache_format.md describes the files.
//
// CacheReader is immutable after opening and may be used by many threads: audio is read with pread
// from the chunks' file offsets, beside HDF5's lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace stemsmith {

struct CachedTrack {
  std::string name;
  std::string split;
  std::int64_t frames = 0;
  std::vector<double> rms_db;  // per stem
};

class CacheReader {
 public:
  // Throws Error for files that are no cache, of a newer version, cut off, or whose track files are
  // missing or stale, saying how to prepare again.
  explicit CacheReader(const std::filesystem::path& path);
  ~CacheReader();

  const std::vector<std::string>& stems() const;
  int sample_rate_hz() const;
  int channels() const;
  const std::vector<CachedTrack>& tracks() const;
  // Numbers of the tracks of a split, in the order of the index.
  std::vector<std::size_t> TracksOf(const std::string& split) const;
  // Hash of everything that decides the samples (recipe, sources): training states it in its
  // records.
  std::string fingerprint() const;

  // Reads frames [start, start + frames) of one stem, planar [C, frames], into `out`; what lies
  // outside the track is silence. Throws Error naming track and second when a chunk is damaged.
  void ReadStem(std::size_t track, std::size_t stem, std::int64_t start, std::int64_t frames,
                float* out) const;
  // All stems at once, planar [S, C, frames]: one read of the chunks.
  void ReadStems(std::size_t track, std::int64_t start, std::int64_t frames, float* out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
