// ConvertAudio: channel count and sample rate, as a stream.
#include <algorithm>
#include <vector>

#include "audio/decode.h"
#include "audio/resampler.h"

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

// Fed in blocks of one size: the caller's block size changes nothing.
class ResampleReader : public AudioReader {
 public:
  ResampleReader(std::unique_ptr<AudioReader> inner, int sample_rate_hz)
      : inner_(std::move(inner)),
        info_(inner_->info()),
        rate_in_(info_.sample_rate_hz),
        resampler_(rate_in_, sample_rate_hz, info_.channels),
        block_(kBlock * static_cast<std::size_t>(info_.channels)) {
    info_.sample_rate_hz = sample_rate_hz;
    for (std::int64_t* length : {&info_.frames, &info_.expected_frames})
      if (*length >= 0) *length = ResampledFrames(*length, rate_in_, sample_rate_hz);
  }

  const AudioInfo& info() const override { return info_; }

  std::size_t Read(float* out, std::size_t frames) override {
    const auto channels = static_cast<std::size_t>(info_.channels);
    std::size_t given = 0;
    while (given < frames) {
      if (given_of_ready_ == ready_.size() && !Refill()) break;
      const std::size_t count =
          std::min(ready_.size() - given_of_ready_, (frames - given) * channels);
      std::copy_n(ready_.data() + given_of_ready_, count, out + given * channels);
      given_of_ready_ += count;
      given += count / channels;
    }
    return given;
  }

  void Rewind() override {
    inner_->Rewind();
    resampler_ = Resampler(rate_in_, info_.sample_rate_hz, info_.channels);
    ready_.clear();
    given_of_ready_ = 0;
    at_end_ = false;
  }
  std::vector<Damage> damage() const override { return inner_->damage(); }

 private:
  static constexpr std::size_t kBlock = 16384;

  // False when everything has been given.
  bool Refill() {
    ready_.clear();
    given_of_ready_ = 0;
    while (ready_.empty() && !at_end_) {
      const std::size_t count = inner_->Read(block_.data(), kBlock);
      at_end_ = count == 0;
      if (at_end_)
        resampler_.Finish(ready_);
      else
        resampler_.Add(block_.data(), count, ready_);
    }
    return !ready_.empty();
  }

  std::unique_ptr<AudioReader> inner_;
  AudioInfo info_;
  int rate_in_;
  Resampler resampler_;
  std::vector<float> block_;        // interleaved input
  std::vector<float> ready_;        // resampled
  std::size_t given_of_ready_ = 0;  // samples of it that were given out
  bool at_end_ = false;
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
