// The HDF5 cache as seen by those who read it: docs/cache_format.md describes the files.
//
// CacheReader is immutable after opening and may be used by many threads: audio is read with pread
// from the chunks' file offsets, beside HDF5's lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/host.h"
#include "datasets/cache/spectrogram_format.h"

namespace stemsmith {

// Audio of the cache that cannot be used: a chunk that is not what was written, a file cut off.
// Names file, song and second. Training may go on with other audio.
class DamagedAudio : public Error {
 public:
  explicit DamagedAudio(Error error) : Error(std::move(error)) {}
};

struct CachedTrack {
  std::string name;
  std::string split;
  std::int64_t frames = 0;
  std::vector<double> rms_db;  // per stem
};

// One stem of a read: frames from `start` on of a stem of a track, into the first frames of `out`,
// planar rows.
struct StemRead {
  std::size_t track = 0, stem = 0;
  std::int64_t start = 0;  // may lie outside the track: what does is silence
  float* out = nullptr;
  // Made on the way, at no cost.
  float factor = 1.0f;   // of all samples
  bool swapped = false;  // channels 0 and 1 change places
};

class CacheReader {
 public:
  // Throws Error for files that are no cache, of a newer version, cut off, or whose track files are
  // missing or stale, saying how to prepare again. Warns of sources that were touched.
  explicit CacheReader(const std::filesystem::path& path, const Listener& warn = {});
  ~CacheReader();

  const std::vector<std::string>& stems() const;
  int sample_rate_hz() const;
  int channels() const;
  const std::vector<CachedTrack>& tracks() const;
  // What the cache holds instead of audio: read by ReadSpectrogram; the others for audio throw
  // Error.
  const std::optional<SpectrogramFormat>& spectrogram() const;
  // Numbers of the tracks of a split, in the order of the index.
  std::vector<std::size_t> TracksOf(const std::string& split) const;
  // Hash of everything that decides the samples (recipe, sources): training states it in its
  // records.
  std::string fingerprint() const;

  // Reads frames [start, start + frames) of one stem, planar [C, frames], into `out`; what lies
  // outside the track is silence. Throws DamagedAudio, as do the others.
  void ReadStem(std::size_t track, std::size_t stem, std::int64_t start, std::int64_t frames,
                float* out) const;
  // All stems at once, planar [S, C, frames].
  void ReadStems(std::size_t track, std::int64_t start, std::int64_t frames, float* out) const;
  // Stems from tracks and places of their own, into rows that lie `row` ≥ frames apart; and where
  // `sum` [C, row] is not null what they add up to, in their order.
  void ReadStems(std::span<const StemRead> stems, std::int64_t frames, std::int64_t row,
                 float* sum = nullptr) const;
  // Frames [first, first + frames) of a song's spectrogram: magnitudes of the mixture [C · F,
  // frames], and of the stems [S, C · F, frames].
  void ReadSpectrogram(std::size_t track, std::int64_t first, std::int64_t frames, float* mix,
                       float* stems) const;
  // Level of each stem in each second, dB relative to full scale, [seconds, S]; the last second may
  // be shorter. Read from the track's file. Throws DamagedAudio.
  std::vector<float> ReadLevels(std::size_t track) const;

  // Memory that the reader takes once every track was read: where the chunks of all tracks lie.
  std::int64_t table_bytes() const;
  // Memory of each thread that reads: the largest chunk.
  std::int64_t thread_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
