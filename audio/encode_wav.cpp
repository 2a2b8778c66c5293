#include "audio/encode_wav.h"

namespace stemsmith {
namespace {

void Append(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

}  // namespace

int BytesPerSample(SampleFormat format) {
  switch (format) {
    case SampleFormat::kInt16:
      return 2;
    case SampleFormat::kInt24:
      return 3;
    case SampleFormat::kFloat32:
      return 4;
  }
  return 0;
}

std::string WavHeader(int sample_rate_hz, int channels, const EncodeOptions& options,
                      std::uint64_t data_bytes) {
  const SampleFormat format = options.sample_format;
  constexpr std::uint64_t kUnknown32 = 0xffffffffULL;
  const auto frame_bytes = static_cast<std::uint64_t>(channels * BytesPerSample(format));
  const bool is_float = format == SampleFormat::kFloat32;
  const std::uint64_t frames = data_bytes / frame_bytes;

  // From three channels on a header says which speakers they are for.
  const bool extensible = channels > 2;
  const std::uint64_t tag = is_float ? 3 : 1;  // IEEE float, PCM
  std::string fmt = "fmt ";
  Append(fmt, extensible ? 40 : is_float ? 18 : 16, 4);
  Append(fmt, extensible ? 0xfffe : tag, 2);
  Append(fmt, static_cast<std::uint64_t>(channels), 2);
  Append(fmt, static_cast<std::uint64_t>(sample_rate_hz), 4);
  Append(fmt, static_cast<std::uint64_t>(sample_rate_hz) * frame_bytes, 4);
  Append(fmt, frame_bytes, 2);
  Append(fmt, static_cast<std::uint64_t>(8 * BytesPerSample(format)), 2);
  if (extensible) {
    Append(fmt, 22, 2);  // bytes that follow
    Append(fmt, static_cast<std::uint64_t>(8 * BytesPerSample(format)), 2);
    Append(fmt, options.channel_mask, 4);
    Append(fmt, tag, 2);
    fmt += std::string("\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71", 14);
  } else if (is_float) {
    Append(fmt, 0, 2);
  }
  std::string fact;
  if (is_float) {  // required beside every format other than PCM
    fact = "fact";
    Append(fact, 4, 4);
    Append(fact, frames < kUnknown32 ? frames : kUnknown32, 4);
  }

  constexpr std::uint64_t kDs64Bytes = 28;
  const std::uint64_t riff_bytes =
      4 + 8 + kDs64Bytes + fmt.size() + fact.size() + 8 + data_bytes + (data_bytes & 1);
  const bool is_long = riff_bytes >= kUnknown32;

  std::string header = is_long ? "RF64" : "RIFF";
  Append(header, is_long ? kUnknown32 : riff_bytes, 4);
  header += "WAVE";
  header += is_long ? "ds64" : "JUNK";
  Append(header, kDs64Bytes, 4);
  Append(header, is_long ? riff_bytes : 0, 8);
  Append(header, is_long ? data_bytes : 0, 8);
  Append(header, is_long ? frames : 0, 8);
  Append(header, 0, 4);  // no further long chunks
  header += fmt + fact + "data";
  Append(header, is_long ? kUnknown32 : data_bytes, 4);
  return header;
}

}  // namespace stemsmith
