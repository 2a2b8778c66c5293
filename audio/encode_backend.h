// What AudioWriter drives: one encoder per open file. A format is a file with its Open function and
// a row in encode_formats.cpp. Private to audio/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "audio/encode_options.h"

namespace stemsmith {

class Encoder {
 public:
  virtual ~Encoder() = default;
  // Interleaved, all streams beside each other; of finite values. For lossy formats and kFloat32.
  virtual void Write(const float* samples, std::size_t frames) = 0;
  // The same for integer sample formats, each in the upper bits.
  virtual void Write(const std::int32_t* samples, std::size_t frames) = 0;
  // Completes and closes the file.
  virtual void Finish() = 0;
};

// A file to be written. Everything has been checked against the row of the format.
struct EncodeJob {
  std::filesystem::path file;   // is there, and empty
  std::filesystem::path shown;  // what errors call it
  int sample_rate_hz = 0;
  int channels = 0;  // of each stream
  int bit_rate = 0;  // of each stream; 0 where the format has none
  SampleFormat sample_format = SampleFormat::kFloat32;
  EncodeOptions options;  // the rest

  std::size_t streams() const { return options.streams.empty() ? 1 : options.streams.size(); }
};

std::unique_ptr<Encoder> OpenWav(const EncodeJob& job);
std::unique_ptr<Encoder> OpenRf64(const EncodeJob& job);
std::unique_ptr<Encoder> OpenW64(const EncodeJob& job);
std::unique_ptr<Encoder> OpenFlac(const EncodeJob& job);
std::unique_ptr<Encoder> OpenAlac(const EncodeJob& job);
std::unique_ptr<Encoder> OpenMp3(const EncodeJob& job);
std::unique_ptr<Encoder> OpenOgg(const EncodeJob& job);
std::unique_ptr<Encoder> OpenOpus(const EncodeJob& job);
std::unique_ptr<Encoder> OpenM4a(const EncodeJob& job);
std::unique_ptr<Encoder> OpenStemMp4(const EncodeJob& job);

}  // namespace stemsmith
