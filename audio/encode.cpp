// AudioWriter: checks, the sample rate, rounding and clipping, and the pending file; the encoder of
// the format does the rest.
#include "audio/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "audio/encode_backend.h"
#include "audio/encode_pcm.h"
#include "audio/encode_wav.h"
#include "audio/quantize.h"
#include "audio/resampler.h"
#include "core/error.h"
#include "core/pending_files.h"
#include "core/text.h"

namespace stemsmith {
namespace {

EncodeJob JobFor(const std::filesystem::path& path, int sample_rate_hz, int channels,
                 const EncodeOptions& options) {
  if (channels < 1 || sample_rate_hz < 1) {
    throw Error::Usage("cannot write " + std::to_string(channels) + " channels at " +
                           std::to_string(sample_rate_hz) + " Hz",
                       path.string());
  }
  CheckEncodeOptions(options);
  const FormatRow& row = FindFormat(options.format);
  if (row.many_streams && options.streams.empty())
    throw Error::Usage(options.format + " without streams", path.string(), "name one at least");
  if (channels > row.highest_channels) {
    const std::string able = FormatNames([&](const FormatRow& other) {
      return other.highest_channels >= channels && !other.many_streams;
    });
    throw Error::Usage(std::string(row.name) + " holds at most " +
                           std::to_string(row.highest_channels) + " channels, not " +
                           std::to_string(channels),
                       path.string(), able.empty() ? "" : "write another format: " + able);
  }
  EncodeJob job;
  job.shown = path;
  job.sample_rate_hz = row.RateFor(sample_rate_hz);
  job.channels = channels;
  job.options = options;
  if (row.lossy() && !options.sample_format)
    job.bit_rate = options.bit_rate > 0 ? options.bit_rate : row.bit_rates.per_channel * channels;
  else
    job.sample_format = options.sample_format.value_or(row.sample_formats.front());
  return job;
}

}  // namespace

struct AudioWriter::Impl {
  Impl(const std::filesystem::path& path, int given_rate_hz, EncodeJob encode_job)
      : rate_in_hz(given_rate_hz),
        job(std::move(encode_job)),
        columns(static_cast<std::size_t>(job.channels) * job.streams()),
        pending(path) {
    job.file = pending.path();
    encoder = FindFormat(job.options.format).open(job);
    if (rate_in_hz != job.sample_rate_hz)
      resampler.emplace(rate_in_hz, job.sample_rate_hz, static_cast<int>(columns));
  }

  void Write(const float* samples, std::size_t frames) {
    for (std::size_t i = 0; i < frames * columns; ++i) {
      if (!std::isfinite(samples[i])) {
        throw Error::Input(
            "the audio to be written holds a sample that is not a number, at " +
                SecondsText(taken_frames + static_cast<std::int64_t>(i / columns), rate_in_hz),
            pending.target().string(), "what made it is broken or diverged");
      }
    }
    taken_frames += static_cast<std::int64_t>(frames);
    if (!resampler) return Encode(samples, frames);
    resampled.clear();
    resampler->Add(samples, frames, resampled);
    Encode(resampled.data(), resampled.size() / columns);
  }

  void Encode(const float* samples, std::size_t frames) {
    if (frames == 0) return;
    if (job.sample_format == SampleFormat::kFloat32) return encoder->Write(samples, frames);
    Quantise(samples, frames * columns);
    encoder->Write(integers.data(), frames);
  }

  // Nearest integer, clipped, in the upper bits of an int32. Full scale itself (+1.0) becomes the
  // highest integer and is not counted: decoders never give it, normalised floats often hold it.
  void Quantise(const float* samples, std::size_t count) {
    const int bits = 8 * BytesPerSample(job.sample_format);
    integers.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (samples[i] > 1.0f || samples[i] < -1.0f) ++clipped;
      const auto value = static_cast<std::uint32_t>(QuantizeSample(samples[i], bits));
      integers[i] = static_cast<std::int32_t>(value << (32 - bits));
    }
  }

  void Finish() {
    if (resampler) {
      resampled.clear();
      resampler->Finish(resampled);
      Encode(resampled.data(), resampled.size() / columns);
    }
    encoder->Finish();
    encoder.reset();
    pending.Commit();
    finished = true;
  }

  int rate_in_hz;
  EncodeJob job;
  std::size_t columns;  // channels of all streams
  PendingFile pending;
  std::unique_ptr<Encoder> encoder;
  std::optional<Resampler> resampler;
  std::vector<float> resampled;
  std::vector<std::int32_t> integers;
  std::int64_t taken_frames = 0;
  std::int64_t clipped = 0;
  bool finished = false;
};

AudioWriter::AudioWriter(const std::filesystem::path& path, int sample_rate_hz, int channels,
                         const EncodeOptions& options)
    : impl_(std::make_unique<Impl>(path, sample_rate_hz,
                                   JobFor(path, sample_rate_hz, channels, options))) {}

AudioWriter::~AudioWriter() = default;

void AudioWriter::Write(const float* interleaved, std::size_t frames) {
  impl_->Write(interleaved, frames);
}

void AudioWriter::Finish() {
  if (!impl_->finished) impl_->Finish();
}

std::int64_t AudioWriter::clipped_samples() const { return impl_->clipped; }
int AudioWriter::written_rate_hz() const { return impl_->job.sample_rate_hz; }

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
  std::string bytes = WavHeader(sample_rate_hz, audio.channels(), SampleFormat::kInt16, 0,
                                2 * audio.samples().size());
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
