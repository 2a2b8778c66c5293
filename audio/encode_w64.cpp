// Sony Wave64: RIFF with 64-bit lengths and GUIDs as the names of its chunks. Lengths count the
// chunk's own header of 24 bytes, and chunks begin at multiples of 8. Behind the audio, where none
// follows, nothing is filled up: libsndfile up to 1.2.2 would take that for audio.
#include "audio/encode_pcm.h"

namespace stemsmith {
namespace {

constexpr std::uint64_t kChunkHeader = 24;

std::string Guid(const char* name) {
  return std::string(name) + std::string("\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", 12);
}

std::string W64Header(const EncodeJob& job, std::uint64_t data_bytes) {
  // libsndfile 1.2 takes the samples of an extensible header for integers: floats go without.
  const bool extensible = job.channels > 2 && job.sample_format != SampleFormat::kFloat32;
  std::string format = WaveFormat(job.sample_rate_hz, job.channels, job.sample_format,
                                  job.options.channel_mask, extensible);
  std::string chunks = Guid("wave") + Guid("fmt ");
  AppendBytes(chunks, kChunkHeader + format.size(), 8);
  format.resize((format.size() + 7) / 8 * 8);
  chunks += format + Guid("data");
  AppendBytes(chunks, kChunkHeader + data_bytes, 8);

  std::string header = "riff" + std::string("\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", 12);
  AppendBytes(header, kChunkHeader + chunks.size() + data_bytes, 8);
  return header + chunks;
}

}  // namespace

std::unique_ptr<Encoder> OpenW64(const EncodeJob& job) {
  return OpenPcm(
      job, [job](std::uint64_t data_bytes) { return W64Header(job, data_bytes); }, 1);
}

}  // namespace stemsmith
