// Decoding of audio files as a stream of blocks. libsndfile reads wav, RF64, flac, ogg, opus and
// mp3; what it does not know (mp4, m4a, aac, .stem.mp4 …) goes to libav, in a module that is loaded
// when first needed.
//
// A reader belongs to one thread at a time; different readers are independent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/audio.h"

namespace stemsmith {

struct AudioInfo {
  int sample_rate_hz = 0;
  int channels = 0;          // of what Read() gives
  std::int64_t frames = -1;  // length; -1 where the container does not say exactly
  std::int64_t expected_frames =
      -1;              // = frames, or an estimate for progress bars; -1 where there is none
  int streams = 1;     // audio streams in the file
  int bits = 16;       // 16 or 24 for integer sources, 32 for float and for lossy codecs
  std::string format;  // "wav", "flac", "mp3", "mp4", …
};

struct DecodeOptions {
  int stream = 0;  // which audio stream
  bool all_streams =
      false;  // all streams at once, their channels one after another (decoded in one pass)
  std::vector<int> streams;  // the same of these streams, in this order; empty: as above
};

class AudioReader {
 public:
  virtual ~AudioReader() = default;
  virtual const AudioInfo& info() const = 0;
  // Reads up to `frames` frames, interleaved [T, C], into `out`; returns how many, 0 only at the
  // end. Throws Error where the file is damaged, and where a sample is NaN or infinite (names the
  // second).
  virtual std::size_t Read(float* out, std::size_t frames) = 0;
  // Back to the first frame.
  virtual void Rewind() = 0;
};

// Opens a file. Throws Error (what, path, advice): missing, empty, no audio, unknown format, no
// channels.
std::unique_ptr<AudioReader> OpenAudio(const std::filesystem::path& path,
                                       const DecodeOptions& options = {});

// Wraps a reader: other rate (libsoxr, very high quality) and other channel count (RemixChannels).
// Gives the reader back unchanged when nothing differs. The length is round(frames · out / in).
std::unique_ptr<AudioReader> ConvertAudio(std::unique_ptr<AudioReader> reader, int sample_rate_hz,
                                          int channels);

// All of it, planar. For short files and tests; long work uses blocks.
AudioBuffer ReadAll(AudioReader& reader);

// Whether the name's ending is one that OpenAudio is likely to read (used to pick files out of
// folders).
bool HasAudioExtension(const std::filesystem::path& path);

}  // namespace stemsmith
