#include "audio/encode_pcm.h"

#include <unistd.h>

#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "audio/output_file.h"

static_assert(std::endian::native == std::endian::little,
              "samples are written as they lie in memory");

namespace stemsmith {
namespace {

class PcmEncoder : public Encoder {
 public:
  PcmEncoder(const EncodeJob& job, PcmHeader header, int alignment)
      : header_(std::move(header)),
        alignment_(static_cast<std::uint64_t>(alignment)),
        channels_(static_cast<std::size_t>(job.channels)),
        sample_bytes_(static_cast<std::size_t>(BytesPerSample(job.sample_format))),
        output_(job.file, job.shown) {
    const std::string bytes = header_(0);
    Append(bytes.data(), bytes.size());
  }

  void Write(const float* samples, std::size_t frames) override {
    Append(samples, frames * channels_ * sizeof(float));
    data_bytes_ += frames * channels_ * sizeof(float);
  }

  void Write(const std::int32_t* samples, std::size_t frames) override {
    const std::size_t count = frames * channels_;
    bytes_.resize(count * sample_bytes_);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t value = samples[i] >> (32 - 8 * sample_bytes_);
      std::memcpy(bytes_.data() + i * sample_bytes_, &value, sample_bytes_);
    }
    Append(bytes_.data(), bytes_.size());
    data_bytes_ += bytes_.size();
  }

  void Finish() override {
    constexpr char kZeros[8] = {};
    Append(kZeros, (alignment_ - data_bytes_ % alignment_) % alignment_);
    const std::string header = header_(data_bytes_);
    output_.Seek(0, SEEK_SET);
    output_.Write(header.data(), header.size());
    output_.Close();
    output_.Check();
  }

 private:
  void Append(const void* bytes, std::size_t count) {
    output_.Write(bytes, count);
    output_.Check();
  }

  PcmHeader header_;
  std::uint64_t alignment_;
  std::size_t channels_, sample_bytes_;
  OutputFile output_;
  std::vector<char> bytes_;
  std::uint64_t data_bytes_ = 0;
};

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

void AppendBytes(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

void AppendBigEndian(std::string& out, std::uint64_t value, int bytes) {
  while (--bytes >= 0) out.push_back(static_cast<char>((value >> (8 * bytes)) & 0xff));
}

std::string WaveFormat(int sample_rate_hz, int channels, SampleFormat format,
                       std::uint32_t channel_mask, bool extensible) {
  const bool is_float = format == SampleFormat::kFloat32;
  const std::uint64_t tag = is_float ? 3 : 1;  // IEEE float, PCM
  const auto bits = static_cast<std::uint64_t>(8 * BytesPerSample(format));
  const auto frame_bytes = static_cast<std::uint64_t>(channels) * bits / 8;
  std::string out;
  AppendBytes(out, extensible ? 0xfffe : tag, 2);
  AppendBytes(out, static_cast<std::uint64_t>(channels), 2);
  AppendBytes(out, static_cast<std::uint64_t>(sample_rate_hz), 4);
  AppendBytes(out, static_cast<std::uint64_t>(sample_rate_hz) * frame_bytes, 4);
  AppendBytes(out, frame_bytes, 2);
  AppendBytes(out, bits, 2);
  if (extensible) {
    AppendBytes(out, 22, 2);  // bytes that follow
    AppendBytes(out, bits, 2);
    AppendBytes(out, channel_mask, 4);
    AppendBytes(out, tag, 2);
    out += std::string("\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71", 14);
  } else if (is_float) {
    AppendBytes(out, 0, 2);
  }
  return out;
}

std::unique_ptr<Encoder> OpenPcm(const EncodeJob& job, PcmHeader header, int alignment) {
  return std::make_unique<PcmEncoder>(job, std::move(header), alignment);
}

}  // namespace stemsmith
