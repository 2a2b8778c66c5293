#include "audio/encode_wav.h"

#include "audio/encode_pcm.h"
#include "audio/tags.h"

namespace stemsmith {
namespace {

// The tags as a LIST chunk of INFO; "" of none.
std::string InfoChunk(const EncodeOptions& options) {
  std::string list = "INFO";
  for (const auto& [name, text] : options.tags) {
    for (const TagRow& row : TagTable()) {
      if (row.riff == nullptr || name != row.name) continue;
      list += row.riff;
      AppendBytes(list, text.size() + 1, 4);
      list += text + std::string(2 - text.size() % 2, '\0');  // ends with a zero, at an even place
    }
  }
  if (list.size() == 4) return "";
  std::string chunk = "LIST";
  AppendBytes(chunk, list.size(), 4);
  return chunk + list;
}

std::unique_ptr<Encoder> Open(const EncodeJob& job, WavLengths lengths) {
  const auto header = [=, rate = job.sample_rate_hz, channels = job.channels,
                       format = job.sample_format, mask = job.options.channel_mask,
                       info = InfoChunk(job.options)](std::uint64_t data_bytes) {
    return WavHeader(rate, channels, format, mask, data_bytes, lengths, info);
  };
  return OpenPcm(job, header, 2);
}

}  // namespace

std::string WavHeader(int sample_rate_hz, int channels, SampleFormat format,
                      std::uint32_t channel_mask, std::uint64_t data_bytes, WavLengths lengths,
                      const std::string& more) {
  constexpr std::uint64_t kUnknown32 = 0xffffffffULL;
  const auto frame_bytes = static_cast<std::uint64_t>(channels * BytesPerSample(format));
  const std::uint64_t frames = data_bytes / frame_bytes;

  // From three channels on a header says which speakers they are for.
  const std::string description =
      WaveFormat(sample_rate_hz, channels, format, channel_mask, channels > 2);
  std::string fmt = "fmt ";
  AppendBytes(fmt, description.size(), 4);
  fmt += description;
  std::string fact;
  if (format == SampleFormat::kFloat32) {  // required beside every format other than PCM
    fact = "fact";
    AppendBytes(fact, 4, 4);
    AppendBytes(fact, frames < kUnknown32 ? frames : kUnknown32, 4);
  }

  constexpr std::uint64_t kDs64Bytes = 28;
  const std::uint64_t riff_bytes =
      4 + 8 + kDs64Bytes + fmt.size() + fact.size() + more.size() + 8 + data_bytes + (data_bytes & 1);
  const bool is_long = lengths == WavLengths::kLong || riff_bytes >= kUnknown32;

  std::string header = is_long ? "RF64" : "RIFF";
  AppendBytes(header, is_long ? kUnknown32 : riff_bytes, 4);
  header += "WAVE";
  header += is_long ? "ds64" : "JUNK";
  AppendBytes(header, kDs64Bytes, 4);
  AppendBytes(header, is_long ? riff_bytes : 0, 8);
  AppendBytes(header, is_long ? data_bytes : 0, 8);
  AppendBytes(header, is_long ? frames : 0, 8);
  AppendBytes(header, 0, 4);  // no further long chunks
  header += fmt + fact + more + "data";
  AppendBytes(header, is_long ? kUnknown32 : data_bytes, 4);
  return header;
}

std::unique_ptr<Encoder> OpenWav(const EncodeJob& job) { return Open(job, WavLengths::kAsNeeded); }
std::unique_ptr<Encoder> OpenRf64(const EncodeJob& job) { return Open(job, WavLengths::kLong); }

}  // namespace stemsmith
