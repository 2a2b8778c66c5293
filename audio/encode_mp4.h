// Encoding to mp4 with one AAC stream per stem (.stem.mp4), as a stream of blocks. libav does it,
// in the module that also decodes (audio/decode.h). The file appears under its name only after
// Finish(). The encoder's delay is told in an edit list, so that decoders give back the right
// start; the end may be padded with silence up to a full AAC frame. One version of libav gives the
// same bytes for the same audio: no time stamps, no version strings.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

struct Mp4Options {
  int sample_rate_hz = 44100;
  int channels = 2;                                       // of each stream
  int bit_rate = 256000;                                  // of each stream, bits per second
  std::vector<std::string> titles;                        // a stream each, in this order
  std::vector<std::pair<std::string, std::string>> tags;  // of the file: "title", "artist", …
};

class Mp4Writer {
 public:
  // Throws Error: no module, rates that AAC does not have, folder not writable.
  Mp4Writer(const std::filesystem::path& path, const Mp4Options& options);
  ~Mp4Writer();
  Mp4Writer(const Mp4Writer&) = delete;
  Mp4Writer& operator=(const Mp4Writer&) = delete;

  // Appends interleaved [T, S · C]: the channels of the streams one after another, as OpenAudio
  // gives them with all_streams.
  void Write(const float* interleaved, std::size_t frames);
  // Flushes, closes, renames. Throws Error when the disk is full or nothing was written.
  void Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
