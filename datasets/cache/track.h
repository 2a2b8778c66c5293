// One track file of the cache: written as a stream, read as a table of chunk places.
// docs/cache_format.md describes the file. A TrackWriter belongs to one thread; different writers
// may work side by side.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/cache/track_format.h"

namespace stemsmith {

// Writes a track file; it appears under its name in Finish(). Without Finish() nothing is left
// behind.
class TrackWriter {
 public:
  // Throws Error when the folder cannot be written or the disk is full, as do Write and Finish.
  TrackWriter(const std::filesystem::path& path, const TrackFormat& format);
  ~TrackWriter();
  TrackWriter(const TrackWriter&) = delete;
  TrackWriter& operator=(const TrackWriter&) = delete;

  // Appends frames of audio, interleaved [T, S · C], stem after stem. int16 and float16 round to
  // nearest and clip; magnitudes that float16 cannot hold are an Error.
  void Write(const float* interleaved, std::size_t frames);
  // Largest magnitude stored so far, and whether the sample type could not hold it.
  float peak() const;
  bool clipped() const;
  // Closes and renames. `name` and `split` of the record are left to the caller. Throws Error when
  // no frame was written.
  TrackRecord Finish(const std::string& recipe_hash, const std::vector<SourceFile>& sources);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where the audio of a track file lies, or its spectrogram. Chunk k · groups + g holds of group g
// the rows [k · chunk_frames, (k+1) · chunk_frames), each `group_columns` samples wide,
// little-endian.
struct TrackLayout {
  std::int64_t frames = 0;  // of audio
  std::int64_t rows = 0;    // as many, or those of the spectrogram
  int groups = 0;           // as TrackFormat says them
  int group_columns = 0;
  std::optional<SpectrogramFormat> spectrogram;
  std::int64_t chunk_frames = 0;
  CacheSampleType sample_type = CacheSampleType::kInt16;
  double scale = 1.0;
  std::vector<std::uint64_t>
      offsets;  // of each chunk in the file; kSilentChunk where none was written
  std::vector<std::uint64_t> hashes;  // HashBytes of each whole chunk, before compression
  int compression = 0;                // as in TrackFormat
  std::vector<std::uint32_t> sizes;   // bytes of each chunk in the file; empty without compression
  std::string checksum;

  std::size_t bytes_per_frame() const {  // of a group
    return static_cast<std::size_t>(group_columns) * CacheSampleBytes(sample_type);
  }
};
inline constexpr std::uint64_t kSilentChunk = ~std::uint64_t{0};

// Opens a track file and asks for the place of every chunk. Throws Error: missing, cut off, no
// track, newer version, a chunk that is neither there nor silent.
TrackLayout ReadTrackLayout(const std::filesystem::path& path);
// What the file says of itself (everything but name and split). Throws Error as above, and where it
// is not what was written, as far as files of older versions let it be told.
TrackRecord ReadTrackRecord(const std::filesystem::path& path);
// Level of each stem in each second from the start, dB relative to full scale, [seconds, S]. Throws
// Error as above.
std::vector<float> ReadTrackLevels(const std::filesystem::path& path);

}  // namespace stemsmith
