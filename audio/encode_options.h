// How an audio file is to be written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

enum class SampleFormat { kInt16, kInt24, kFloat32 };

struct EncodeOptions {
  std::string format = "wav";
  std::optional<SampleFormat> sample_format;  // unset: the format's first; lossy formats have none
  int bit_rate = 0;  // bits per second of a stream, lossy formats only; 0: the format's own
  // WAVE's speaker bits of the channels; 0: not known. Written into the wav family's files of three
  // channels and more (float w64 has no room for it).
  std::uint32_t channel_mask = 0;
  std::vector<std::string> streams;  // names, a stream each; for formats with many streams alone
  // Of the file: "title", "artist", … (audio/tags.h). Formats write what they know, w64 nothing.
  std::vector<std::pair<std::string, std::string>> tags;
  std::string cover;  // a picture, JPEG or PNG; formats without FormatRow::cover leave it out
};

}  // namespace stemsmith
