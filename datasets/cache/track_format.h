// What a track of the cache is, in what format, and what is remembered of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "datasets/cache/fingerprint.h"
#include "datasets/cache/spectrogram_format.h"

namespace stemsmith {

enum class CacheSampleType { kInt16, kFloat16, kFloat32 };
const char* CacheSampleTypeName(CacheSampleType type);  // "int16", "float16", "float32"
std::size_t CacheSampleBytes(CacheSampleType type);

// One step of int16 at full scale: 16-bit sources are kept bit for bit.
inline constexpr double kInt16Step = 1.0 / 32768.0;
// The value of a stored one where the samples fit: kInt16Step, or 1 for floats.
double CacheSampleStep(CacheSampleType type);
// The largest number of the type; audio beyond that times the step wants a larger step.
double CacheLargestSample(CacheSampleType type);
// Levels below this are given as this (silence has no level in dB).
inline constexpr double kLowestRmsDb = -120.0;
// Of the index and of the track files.
inline constexpr int kCacheFormatVersion = 3;
inline constexpr char kTrackFormatName[] = "stemsmith-track";

// What a row may hold.
inline constexpr int kMostColumns = 1 << 20;

struct TrackFormat {
  std::vector<std::string> stems;  // S
  int sample_rate_hz = 44100;
  int channels = 2;  // C, of each stem
  CacheSampleType sample_type = CacheSampleType::kInt16;
  double scale = 0;     // the value of a stored one; 0: CacheSampleStep; unused for float32
  int compression = 0;  // 0: none; 1 (fast) to 9 (small): chunks are shuffled and deflated
  // Whether to measure the loudness.
  bool measure_loudness = false;
  // Instead of audio the magnitudes of its STFT are stored, as floats.
  std::optional<SpectrogramFormat> spectrogram;

  int columns() const { return static_cast<int>(stems.size()) * channels; }
  // Of what is stored: S · C samples, or (S + 1) · C · F magnitudes, the mixture's last.
  int stored_columns() const { return stored_groups() * group_columns(); }
  // They lie in groups, which are read each by itself: a stem, or the mixture of a spectrogram.
  int stored_groups() const { return static_cast<int>(stems.size()) + spectrogram.has_value(); }
  int group_columns() const { return channels * (spectrogram ? spectrogram->bins() : 1); }
};

// A track as the index remembers it.
struct TrackRecord {
  std::string name;         // unique in the cache
  std::string split;        // "train", "valid", "test"
  std::string file;         // relative to the index's folder
  std::int64_t frames = 0;  // of audio
  std::uint64_t bytes = 0;  // size of the file
  CacheSampleType sample_type = CacheSampleType::kInt16;
  int compression = 0;         // as in TrackFormat
  std::vector<double> rms_db;  // per stem
  // Integrated loudness per stem (ITU-R BS.1770), kLowestRmsDb for silence; empty where it was not
  // measured: by older versions, and at rates below 4 kHz.
  std::vector<double> loudness_lufs;
  std::string checksum;  // of format and audio (TrackChecksum)
  // Of the levels per second (HashLevels); empty in caches of older versions.
  std::string levels_hash;
  std::string recipe_hash;  // of what was made from which sources, hexadecimal
  std::vector<SourceFile> sources;

  nlohmann::json ToJson() const;
  static TrackRecord FromJson(const JsonFields& fields);
};

// What TrackRecord::checksum is: of what decides the samples, with the hash of each chunk.
std::string TrackChecksum(const TrackFormat& format, std::int64_t frames,
                          const std::vector<std::uint64_t>& chunk_hashes);
std::string HashLevels(const std::vector<float>& levels_db);
// Of all that a track's file says of itself.
std::string RecordHash(const TrackRecord& record);

Error DamagedTrack(const std::filesystem::path& path, const std::string& what);
// Throws DamagedTrack for names that are none.
CacheSampleType CacheSampleTypeOf(const std::string& name, const std::filesystem::path& path);

// Frames in a chunk of so many bytes per frame: the power of two that makes it 128 to 256 KiB, but
// 16 at least: as many samples of one column fill a line of the processor's cache when they are put
// side by side.
std::int64_t ChunkFrames(std::size_t bytes_per_frame);

}  // namespace stemsmith
