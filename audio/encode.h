// Writing audio files as a stream of blocks, in the formats of one table. A file appears under its
// name only after Finish(); without it nothing is left behind.
//
// Sample rates that a format lacks are resampled (libsoxr, very high quality) to the next higher
// one that it has, or to its highest. The encoder's delay and padding are told in the file, so that
// decoders give back the right start and, where they heed it, the exact length.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/audio.h"
#include "core/visibility.h"

namespace stemsmith {

enum class SampleFormat { kInt16, kInt24, kFloat32 };
// "16", "24", "32f".
STEMSMITH_PUBLIC const char* SampleFormatName(SampleFormat format);

class Encoder;
struct EncodeJob;

struct STEMSMITH_PUBLIC FormatRow {
  struct BitRates {
    int per_channel = 0;          // where nobody asks
    int lowest = 0, highest = 0;  // of a stereo stream
  };

  const char* name;     // "flac", as users write it
  const char* ending;   // ".flac"
  const char* summary;  // a few words for lists of formats
  // The first is what is written where nobody asks. Empty: the format is lossy and has none.
  std::vector<SampleFormat> sample_formats = {};
  BitRates bit_rates = {};       // of lossy formats, bits per second
  int highest_channels = 65535;  // of a stream
  int highest_rate_hz = INT32_MAX;
  std::vector<int> rates_hz = {};  // rising; empty: every rate up to the highest
  bool many_streams = false;       // a file holds any number of streams, each with a name
  std::unique_ptr<Encoder> (*open)(const EncodeJob& job);

  bool lossy() const { return sample_formats.empty(); }
  bool Holds(SampleFormat format) const;
  // The rate itself where the format has it, else as said above.
  int RateFor(int sample_rate_hz) const;
};

STEMSMITH_PUBLIC const std::vector<FormatRow>& FormatTable();
// The names of those rows that `wanted` is true of: "wav, flac".
STEMSMITH_PUBLIC std::string FormatNames(const std::function<bool(const FormatRow&)>& wanted);
// Throws Error::Usage (nearest name, all names) for unknown formats.
STEMSMITH_PUBLIC const FormatRow& FindFormat(std::string_view name);

struct EncodeOptions {
  std::string format = "wav";
  std::optional<SampleFormat> sample_format;  // unset: the format's first; lossy formats have none
  int bit_rate = 0;  // bits per second of a stream, lossy formats only; 0: the format's own
  // WAVE's speaker bits of the channels; 0: not known. Written into the wav family's files of three
  // channels and more (float w64 has no room for it).
  std::uint32_t channel_mask = 0;
  std::vector<std::string> streams;  // names, a stream each; for formats with many streams alone
  // Of the file: "title", "artist", … The formats that libav writes hold them, others nothing.
  std::vector<std::pair<std::string, std::string>> tags;
};

// What the format has not (sample format, bit rate, streams), whatever the audio is: throws
// Error::Usage that names the formats which have it.
STEMSMITH_PUBLIC void CheckEncodeOptions(const EncodeOptions& options);

class STEMSMITH_PUBLIC AudioWriter {
 public:
  // `channels` of each stream. Throws Error: CheckEncodeOptions, more channels than the format
  // holds, no libav module for a format that needs it, folder not writable.
  AudioWriter(const std::filesystem::path& path, int sample_rate_hz, int channels,
              const EncodeOptions& options = {});
  ~AudioWriter();
  AudioWriter(const AudioWriter&) = delete;
  AudioWriter& operator=(const AudioWriter&) = delete;

  // Appends interleaved [T, C], of many streams [T, S · C]: the channels of the streams one after
  // another, as OpenAudio gives them with all_streams. Integer formats round to nearest and clip;
  // clipped_samples() counts. Throws Error for samples that are not numbers.
  void Write(const float* interleaved, std::size_t frames);
  // Flushes, closes, renames. Throws Error when the disk is full.
  void Finish();
  std::int64_t clipped_samples() const;
  int written_rate_hz() const;  // differs from the given one where the format lacks that

 private:
  struct STEMSMITH_PRIVATE Impl;
  std::unique_ptr<Impl> impl_;
};

// Writes a planar buffer [C, T] in one go.
STEMSMITH_PUBLIC void WriteAudio(const std::filesystem::path& path, const AudioBuffer& audio,
                                 int sample_rate_hz, const EncodeOptions& options = {});
// The bytes of a wav file of 16 bits.
std::string WavBytes(const AudioBuffer& audio, int sample_rate_hz);

}  // namespace stemsmith
