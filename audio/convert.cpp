// ConvertAudio: channel count and sample rate, as a stream.
#include <soxr.h>

#include <algorithm>
#include <vector>

#include "audio/decode.h"
#include "core/error.h"

namespace stemsmith {
namespace {

class RemixReader : public AudioReader {
 public:
  RemixReader(std::unique_ptr<AudioReader> inner, int channels)
      : inner_(std::move(inner)), info_(inner_->info()), channels_in_(info_.channels) {
    info_.channels = channels;
    info_.channel_mask = 0;
  }
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override {
    block_.resize(std::max(block_.size(), frames * static_cast<std::size_t>(channels_in_)));
    const std::size_t count = inner_->Read(block_.data(), frames);
    RemixChannels(block_.data(), channels_in_, out, info_.channels, count);
    return count;
  }
  void Rewind() override { inner_->Rewind(); }
  std::vector<Damage> damage() const override { return inner_->damage(); }

 private:
  std::unique_ptr<AudioReader> inner_;
  AudioInfo info_;
  int channels_in_;
  std::vector<float> block_;
};

// libsoxr takes its own delay out, so that sample 0 stays at time 0; what it gives is cut or filled
// with silence to the exact length. It is fed in blocks of one size: the caller's block size
// changes nothing.
class ResampleReader : public AudioReader {
 public:
  ResampleReader(std::unique_ptr<AudioReader> inner, int sample_rate_hz)
      : inner_(std::move(inner)),
        info_(inner_->info()),
        rate_in_(info_.sample_rate_hz),
        block_(kBlock * static_cast<std::size_t>(info_.channels)) {
    info_.sample_rate_hz = sample_rate_hz;
    if (info_.frames >= 0) info_.frames = OutputLength(info_.frames);
    if (info_.expected_frames >= 0) info_.expected_frames = OutputLength(info_.expected_frames);
    Start();
  }

  const AudioInfo& info() const override { return info_; }

  std::size_t Read(float* out, std::size_t frames) override {
    const auto channels = static_cast<std::size_t>(info_.channels);
    std::size_t given = 0;
    while (given < frames) {
      if (at_end_) {
        const std::int64_t left = OutputLength(taken_) - produced_;
        const std::size_t count = static_cast<std::size_t>(
            std::clamp<std::int64_t>(left, 0, static_cast<std::int64_t>(frames - given)));
        if (count == 0) break;
        const std::size_t real = drained_ ? 0 : Process(nullptr, 0, out + given * channels, count);
        if (real < count) drained_ = true;
        std::fill_n(out + (given + real) * channels, (count - real) * channels, 0.0f);
        produced_ += static_cast<std::int64_t>(count);
        given += count;
        continue;
      }
      if (block_begin_ == block_end_) {
        block_begin_ = 0;
        block_end_ = inner_->Read(block_.data(), kBlock);
        taken_ += static_cast<std::int64_t>(block_end_);
        at_end_ = block_end_ == 0;
        if (at_end_) continue;
      }
      const std::size_t count =
          Process(block_.data() + block_begin_ * channels, block_end_ - block_begin_,
                  out + given * channels, frames - given);
      produced_ += static_cast<std::int64_t>(count);
      given += count;
    }
    return given;
  }

  void Rewind() override {
    inner_->Rewind();
    Start();
  }
  std::vector<Damage> damage() const override { return inner_->damage(); }

 private:
  static constexpr std::size_t kBlock = 16384;

  std::int64_t OutputLength(std::int64_t frames) const {
    return static_cast<std::int64_t>(
        (static_cast<__int128>(frames) * info_.sample_rate_hz * 2 + rate_in_) /
        (2 * __int128{rate_in_}));
  }

  void Start() {
    soxr_error_t error = nullptr;
    const soxr_io_spec_t samples = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_VHQ, 0);
    const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
    soxr_.reset(soxr_create(rate_in_, info_.sample_rate_hz, static_cast<unsigned>(info_.channels),
                            &error, &samples, &quality, &runtime));
    if (error != nullptr) {
      throw Error::Input(
          std::string("cannot resample: ") + error,
          std::to_string(rate_in_) + " Hz to " + std::to_string(info_.sample_rate_hz) + " Hz");
    }
    block_begin_ = block_end_ = 0;
    taken_ = produced_ = 0;
    at_end_ = drained_ = false;
  }

  // in == nullptr: no more input, gives what is left inside.
  std::size_t Process(const float* in, std::size_t in_frames, float* out, std::size_t out_frames) {
    std::size_t consumed = 0, count = 0;
    const soxr_error_t error =
        soxr_process(soxr_.get(), in, in_frames, &consumed, out, out_frames, &count);
    if (error != nullptr) throw Error::Input(std::string("cannot resample: ") + error, "");
    block_begin_ += consumed;
    return count;
  }

  struct Delete {
    void operator()(soxr_t soxr) const { soxr_delete(soxr); }
  };
  std::unique_ptr<AudioReader> inner_;
  AudioInfo info_;
  int rate_in_;
  std::unique_ptr<soxr, Delete> soxr_;
  std::vector<float> block_;                     // interleaved input
  std::size_t block_begin_ = 0, block_end_ = 0;  // frames of it that wait
  std::int64_t taken_ = 0, produced_ = 0;        // frames read from inner_ and given out
  bool at_end_ = false, drained_ = false;
};

}  // namespace

std::unique_ptr<AudioReader> ConvertAudio(std::unique_ptr<AudioReader> reader, int sample_rate_hz,
                                          int channels) {
  const AudioInfo before = reader->info();
  // Fewer channels first, more channels last: the resampler works on as few as possible.
  if (channels < before.channels)
    reader = std::make_unique<RemixReader>(std::move(reader), channels);
  if (sample_rate_hz != before.sample_rate_hz) {
    reader = std::make_unique<ResampleReader>(std::move(reader), sample_rate_hz);
  }
  if (channels > before.channels)
    reader = std::make_unique<RemixReader>(std::move(reader), channels);
  return reader;
}

}  // namespace stemsmith
