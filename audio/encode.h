// Encoding to wav (16, 24, 32-bit float; RF64 above 4 GiB), flac (16, 24) and Ogg Vorbis (lossy,
// about 64 kbit/s per channel) as a stream of blocks. The file appears under its name only after
// Finish(); without it nothing is left behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "audio/audio.h"
#include "core/visibility.h"

namespace stemsmith {

enum class AudioContainer { kWav, kFlac, kOgg };
enum class SampleFormat { kInt16, kInt24, kFloat32 };

struct EncodeOptions {
  AudioContainer container = AudioContainer::kWav;
  SampleFormat sample_format = SampleFormat::kInt16;  // flac: not kFloat32; ogg: has none
  // WAVE's speaker bits of the channels; 0: not known. Written into wav files of three channels and
  // more.
  std::uint32_t channel_mask = 0;
};

class STEMSMITH_PUBLIC AudioWriter {
 public:
  AudioWriter(const std::filesystem::path& path, int sample_rate_hz, int channels,
              const EncodeOptions& options = {});
  ~AudioWriter();
  AudioWriter(const AudioWriter&) = delete;
  AudioWriter& operator=(const AudioWriter&) = delete;

  // Appends interleaved [T, C]. Integer formats round to nearest and clip; clipped_samples()
  // counts.
  void Write(const float* interleaved, std::size_t frames);
  // Flushes, closes, renames. Throws Error when the disk is full.
  void Finish();
  std::int64_t clipped_samples() const;

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
