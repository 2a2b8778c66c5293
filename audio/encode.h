// Writing audio files as a stream of blocks, in the formats of one table. A file appears under its
// name only after Finish(); without it nothing is left behind.
//
// The encoder's delay and padding are told in the file, so that decoders give back the right start
// and, where they heed it, the exact length.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "audio/audio.h"
#include "audio/encode_formats.h"
#include "core/visibility.h"

namespace stemsmith {

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
