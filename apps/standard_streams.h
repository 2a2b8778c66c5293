// Songs from standard input, and a stem to standard output.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "audio/encode_options.h"

namespace stemsmith {

// "16", "24" or "32f"; throws Error::Usage.
SampleFormat SampleFormatNamed(const std::string& bits, const std::string& option);

// Samples without a header, interleaved, little-endian.
struct RawFormat {
  int sample_rate_hz = 0;
  int channels = 0;
  SampleFormat sample_format = SampleFormat::kFloat32;
};
// "44100,2" or "44100,2,16", with bits as SampleFormatName(); throws Error::Usage.
RawFormat ParseRawFormat(const std::string& text, const std::string& option);

// Keeps all of standard input, which may be read more than once, in a file without a name, and
// gives the path by which this process can open it until it ends. Throws Error: a terminal, the
// disk is full, a signal.
std::filesystem::path KeepStandardInput(const std::optional<RawFormat>& raw);

// Interleaved samples to standard output, as wav or without a header. What cannot be written is
// known by OutputWorks().
class SampleOutput {
 public:
  SampleOutput(SampleFormat format, bool header) : format_(format), header_(header) {}
  // The header. Where the length is not known it says the most that fits in, as programs do that
  // write to pipes.
  void Begin(const AudioInfo& info);
  void Write(const float* interleaved, std::size_t frames);
  void Finish();

 private:
  const SampleFormat format_;
  const bool header_;
  std::size_t channels_ = 0;
  std::uint64_t data_bytes_ = 0;
  std::string bytes_;
};

}  // namespace stemsmith
