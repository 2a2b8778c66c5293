// Encoding: wav by our own header (audio/encode_wav.h: plain, deterministic, RF64 where needed),
// flac and ogg with libsndfile. All write through OutputFile, which knows at once when the disk is
// full.
#include "audio/encode.h"

#include <fcntl.h>
#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "audio/encode_wav.h"
#include "audio/quantize.h"
#include "core/error.h"
#include "core/files.h"

static_assert(std::endian::native == std::endian::little,
              "samples are written as they lie in memory");

namespace stemsmith {
namespace {

constexpr int kHighestFlacChannels = 8;
constexpr int kHighestFlacRateHz = 655350;

// A file descriptor that remembers the first failure.
class OutputFile {
 public:
  OutputFile(const std::filesystem::path& path, std::string shown_path)
      : shown_path_(std::move(shown_path)), file_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    if (file_ < 0) failure_ = errno;
    Check();
  }
  ~OutputFile() {
    if (file_ >= 0) close(file_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool Write(const void* bytes, std::size_t count) {
    const char* from = static_cast<const char*>(bytes);
    while (count > 0 && failure_ == 0) {
      const ssize_t written = write(file_, from, count);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        failure_ = written < 0 ? errno : ENOSPC;
        break;
      }
      from += written;
      count -= static_cast<std::size_t>(written);
    }
    return failure_ == 0;
  }
  std::int64_t Seek(std::int64_t offset, int whence) {
    const off_t result = lseek(file_, offset, whence);
    if (result < 0 && failure_ == 0) failure_ = errno;
    return result;
  }
  std::int64_t Read(void* out, std::size_t count) { return read(file_, out, count); }
  void Close() {
    const int file = std::exchange(file_, -1);
    if (file >= 0 && close(file) != 0 && failure_ == 0) failure_ = errno;
  }
  void Check() const {
    if (failure_ == 0) return;
    errno = failure_;
    throw Error::Write("cannot write", shown_path_);
  }

 private:
  std::string shown_path_;
  int failure_ = 0;
  int file_;
};

OutputFile* Get(void* self) { return static_cast<OutputFile*>(self); }

SF_VIRTUAL_IO SndfileCalls() {
  SF_VIRTUAL_IO calls{};
  calls.get_filelen = [](void* self) -> sf_count_t {
    const std::int64_t here = Get(self)->Seek(0, SEEK_CUR);
    const std::int64_t end = Get(self)->Seek(0, SEEK_END);
    Get(self)->Seek(here, SEEK_SET);
    return end;
  };
  calls.seek = [](sf_count_t offset, int whence, void* self) -> sf_count_t {
    return Get(self)->Seek(offset, whence);
  };
  calls.read = [](void* out, sf_count_t count, void* self) -> sf_count_t {
    return Get(self)->Read(out, static_cast<std::size_t>(count));
  };
  calls.write = [](const void* bytes, sf_count_t count, void* self) -> sf_count_t {
    return Get(self)->Write(bytes, static_cast<std::size_t>(count)) ? count : 0;
  };
  calls.tell = [](void* self) -> sf_count_t { return Get(self)->Seek(0, SEEK_CUR); };
  return calls;
}

struct CloseSndfile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

}  // namespace

struct AudioWriter::Impl {
  Impl(const std::filesystem::path& path, int rate, int channel_count, const EncodeOptions& encode)
      : sample_rate_hz(rate),
        channels(channel_count),
        options(encode),
        pending(path),
        output(pending.path(), path.string()) {
    if (options.container == AudioContainer::kWav) {
      const std::string header = WavHeader(sample_rate_hz, channels, options, 0);
      output.Write(header.data(), header.size());
      output.Check();
      return;
    }
    SF_INFO format{};
    format.samplerate = sample_rate_hz;
    format.channels = channels;
    format.format = IsOgg() ? SF_FORMAT_OGG | SF_FORMAT_VORBIS
                            : SF_FORMAT_FLAC | (options.sample_format == SampleFormat::kInt16
                                                    ? SF_FORMAT_PCM_16
                                                    : SF_FORMAT_PCM_24);
    SF_VIRTUAL_IO calls = SndfileCalls();
    sndfile.reset(sf_open_virtual(&calls, SFM_WRITE, &format, &output));
    output.Check();
    if (sndfile == nullptr) {
      throw Error::Input("cannot write " + Kind() + ": " + sf_strerror(nullptr), path.string());
    }
  }

  bool IsOgg() const { return options.container == AudioContainer::kOgg; }
  std::string Kind() const { return IsOgg() ? "ogg" : "flac"; }

  void Write(const float* samples, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(samples[i])) {
        throw Error::Input("the audio to be written holds a sample that is not a number, at " +
                               std::to_string(static_cast<double>(written_samples + i) / channels /
                                              sample_rate_hz) +
                               " s",
                           pending.target().string(), "what made it is broken or diverged");
      }
    }
    if (options.container == AudioContainer::kWav &&
        options.sample_format == SampleFormat::kFloat32) {
      output.Write(samples, count * sizeof(float));
    } else {
      Quantise(samples, count);
      if (sndfile != nullptr) {
        const auto items = static_cast<sf_count_t>(count);
        if (sf_write_int(sndfile.get(), integers.data(), items) != items) {
          output.Check();
          throw Error::Input("cannot write " + Kind() + ": " + sf_strerror(sndfile.get()),
                             pending.target().string());
        }
      } else {
        const int size = BytesPerSample(options.sample_format);
        bytes.resize(count * static_cast<std::size_t>(size));
        for (std::size_t i = 0; i < count; ++i) {
          const std::int32_t value = integers[i] >> (32 - 8 * size);
          std::memcpy(bytes.data() + i * static_cast<std::size_t>(size), &value,
                      static_cast<std::size_t>(size));
        }
        output.Write(bytes.data(), bytes.size());
      }
    }
    output.Check();
    written_samples += count;
  }

  // Into the upper bits of an int32, as libsndfile wants it. Full scale itself (+1.0) is clipped
  // without being counted: decoders never give it, normalised floats often hold it.
  void Quantise(const float* samples, std::size_t count) {
    const int bits = 8 * BytesPerSample(options.sample_format);
    integers.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (samples[i] > 1.0f || samples[i] < -1.0f) ++clipped;
      const auto value = static_cast<std::uint32_t>(QuantizeSample(samples[i], bits));
      integers[i] = static_cast<std::int32_t>(value << (32 - bits));
    }
  }

  void Finish() {
    if (sndfile != nullptr) {
      const int error = sf_close(sndfile.release());
      output.Check();
      if (error != 0) {
        throw Error::Input("cannot finish " + Kind() + ": " + sf_error_number(error),
                           pending.target().string());
      }
    } else {
      const std::uint64_t data_bytes =
          written_samples * static_cast<std::uint64_t>(BytesPerSample(options.sample_format));
      if (data_bytes % 2 != 0) output.Write("", 1);  // chunks have even lengths
      output.Check();
      const std::string header = WavHeader(sample_rate_hz, channels, options, data_bytes);
      output.Seek(0, SEEK_SET);
      output.Write(header.data(), header.size());
    }
    output.Close();
    output.Check();
    pending.Commit();
    finished = true;
  }

  int sample_rate_hz, channels;
  EncodeOptions options;
  PendingFile pending;
  OutputFile output;
  std::unique_ptr<SNDFILE, CloseSndfile> sndfile;
  std::vector<std::int32_t> integers;
  std::vector<char> bytes;
  std::uint64_t written_samples = 0;
  std::int64_t clipped = 0;
  bool finished = false;
};

AudioWriter::AudioWriter(const std::filesystem::path& path, int sample_rate_hz, int channels,
                         const EncodeOptions& options) {
  if (channels < 1 || channels > 65535 || sample_rate_hz < 1) {
    throw Error::Usage("cannot write " + std::to_string(channels) + " channels at " +
                           std::to_string(sample_rate_hz) + " Hz",
                       path.string());
  }
  if (options.container == AudioContainer::kFlac) {
    if (options.sample_format == SampleFormat::kFloat32) {
      throw Error::Usage("flac holds no floating point", path.string(),
                         "take 16 or 24 bits, or wav");
    }
    if (channels > kHighestFlacChannels || sample_rate_hz > kHighestFlacRateHz) {
      throw Error::Usage("flac holds at most 8 channels and 655350 Hz", path.string(),
                         "write wav instead");
    }
  }
  impl_ = std::make_unique<Impl>(path, sample_rate_hz, channels, options);
}

AudioWriter::~AudioWriter() = default;

void AudioWriter::Write(const float* interleaved, std::size_t frames) {
  impl_->Write(interleaved, frames * static_cast<std::size_t>(impl_->channels));
}

void AudioWriter::Finish() {
  if (!impl_->finished) impl_->Finish();
}

std::int64_t AudioWriter::clipped_samples() const { return impl_->clipped; }

void WriteAudio(const std::filesystem::path& path, const AudioBuffer& audio, int sample_rate_hz,
                const EncodeOptions& options) {
  constexpr std::size_t kBlock = 65536;
  const int channels = audio.channels();
  AudioWriter writer(path, sample_rate_hz, channels, options);
  std::vector<float> block(kBlock * static_cast<std::size_t>(std::max(channels, 1)));
  for (std::size_t begin = 0; begin < audio.frames(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, audio.frames() - begin);
    for (int c = 0; c < channels; ++c) {
      const float* from = audio.channel(c) + begin;
      for (std::size_t t = 0; t < count; ++t)
        block[t * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)] = from[t];
    }
    writer.Write(block.data(), count);
  }
  writer.Finish();
}

std::string WavBytes(const AudioBuffer& audio, int sample_rate_hz) {
  std::string bytes = WavHeader(sample_rate_hz, audio.channels(), {}, 2 * audio.samples().size());
  const std::size_t header = bytes.size();
  bytes.resize(header + 2 * audio.samples().size());
  char* out = bytes.data() + header;
  for (std::size_t t = 0; t < audio.frames(); ++t) {
    for (int c = 0; c < audio.channels(); ++c, out += 2) {
      const auto value = static_cast<std::int16_t>(QuantizeSample(audio.channel(c)[t], 16));
      std::memcpy(out, &value, 2);
    }
  }
  return bytes;
}

}  // namespace stemsmith
