#include "baselines/spectral_song.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace stemsmith {

StftOptions ReadStftOptions(const Config& settings, const StftOptions& standard) {
  StftOptions options;
  constexpr int kLargest = 65536;
  options.n_fft = static_cast<int>(settings.IntegerIn("n_fft", standard.n_fft, 16, kLargest));
  options.hop = static_cast<int>(settings.IntegerIn("hop", standard.hop, 1, kLargest));
  if (options.n_fft % 2 != 0 || options.hop > options.n_fft / 2)
    throw Error::Usage("windows of n_fft " + std::to_string(options.n_fft) + " with a hop of " +
                           std::to_string(options.hop) + " make no STFT",
                       settings.Where("hop"), "n_fft must be even, hop at most half of it");
  return options;
}

SpectrumReader::SpectrumReader(AudioReader& audio, const StftOptions& options)
    : audio_(audio),
      channels_(static_cast<std::size_t>(audio.info().channels)),
      n_fft_(static_cast<std::size_t>(options.n_fft)),
      hop_(static_cast<std::size_t>(options.hop)),
      bins_(n_fft_ / 2 + 1),
      transform_(options.n_fft),
      window_(channels_ * n_fft_, 0.0f) {}

// Samples begin … n_fft - 1 of the window; silence behind the song's end.
void SpectrumReader::Fill(std::size_t begin) {
  const std::size_t wanted = n_fft_ - begin;
  block_.assign(wanted * channels_, 0.0f);
  for (std::size_t got = 0; got < wanted && !ended_;) {
    const std::size_t count = audio_.Read(block_.data() + got * channels_, wanted - got);
    ended_ = count == 0;
    got += count;
    read_ += static_cast<std::int64_t>(count);
  }
  for (std::size_t c = 0; c < channels_; ++c)
    for (std::size_t i = 0; i < wanted; ++i)
      window_[c * n_fft_ + begin + i] = block_[i * channels_ + c];
}

bool SpectrumReader::Next(std::span<std::complex<float>> spectra) {
  if (frame_ == 0) {
    Fill(n_fft_ / 2);
  } else {
    for (std::size_t c = 0; c < channels_; ++c) {
      float* window = window_.data() + c * n_fft_;
      std::copy(window + hop_, window + n_fft_, window);
    }
    Fill(n_fft_ - hop_);
  }
  if (frame_ * static_cast<std::int64_t>(hop_) > read_) return false;
  ++frame_;
  for (std::size_t c = 0; c < channels_; ++c)
    transform_.Forward(window_.data() + c * n_fft_, spectra.data() + c * bins_);
  return true;
}

SpectralSong::SpectralSong(std::unique_ptr<AudioReader> song, std::vector<std::string> stems,
                           const StftOptions& options, std::unique_ptr<FrameSeparator> separator)
    : song_(std::move(song)),
      stems_(std::move(stems)),
      separator_(std::move(separator)),
      spectra_(*song_, options),
      transform_(options.n_fft),
      channels_(static_cast<std::size_t>(song_->info().channels)),
      n_fft_(static_cast<std::size_t>(options.n_fft)),
      hop_(static_cast<std::size_t>(options.hop)),
      mixture_(channels_ * spectra_.bins()),
      frame_(stems_.size() * mixture_.size()),
      sum_(stems_.size() * channels_ * n_fft_, 0.0f),
      envelope_(n_fft_, 0.0f),
      block_(n_fft_),
      position_(-static_cast<std::int64_t>(n_fft_ / 2)),
      ready_(stems_.size()) {}

// Samples begin … end - 1 of the sums are complete.
void SpectralSong::Give(std::size_t begin, std::size_t end) {
  constexpr float kSmallestEnvelope = 1e-11f;
  for (std::size_t s = 0; s < stems_.size(); ++s) {
    for (std::size_t i = begin; i < end; ++i) {
      const float scale = envelope_[i] > kSmallestEnvelope ? 1 / envelope_[i] : 0;
      for (std::size_t c = 0; c < channels_; ++c)
        ready_[s].push_back(scale * sum_[(s * channels_ + c) * n_fft_ + i]);
    }
  }
}

void SpectralSong::AddFrame() {
  const auto first_of_song = [this] {
    return static_cast<std::size_t>(std::clamp<std::int64_t>(-position_, 0, n_fft_));
  };
  if (!spectra_.Next(mixture_)) {
    ended_ = true;
    const std::int64_t left = spectra_.samples_read() - position_;
    const std::size_t end =
        std::min(n_fft_, static_cast<std::size_t>(std::max<std::int64_t>(0, left)));
    Give(first_of_song(), end);
    return;
  }
  if (count_ > 0) {  // move on by a hop: what the coming frames do not reach is complete
    Give(first_of_song(), hop_);
    for (std::size_t row = 0; row < stems_.size() * channels_; ++row) {
      float* sum = sum_.data() + row * n_fft_;
      std::fill(std::copy(sum + hop_, sum + n_fft_, sum), sum + n_fft_, 0.0f);
    }
    std::fill(std::copy(envelope_.begin() + static_cast<std::ptrdiff_t>(hop_), envelope_.end(),
                        envelope_.begin()),
              envelope_.end(), 0.0f);
    position_ += static_cast<std::int64_t>(hop_);
  }
  separator_->Separate(count_++, mixture_, frame_);
  for (std::size_t row = 0; row < stems_.size() * channels_; ++row) {
    transform_.Inverse(frame_.data() + row * spectra_.bins(), block_.data());
    for (std::size_t i = 0; i < n_fft_; ++i) sum_[row * n_fft_ + i] += block_[i];
  }
  for (std::size_t i = 0; i < n_fft_; ++i)
    envelope_[i] += transform_.window()[i] * transform_.window()[i];
}

std::size_t SpectralSong::Read(std::size_t frames, std::vector<std::vector<float>>& blocks) {
  while (!ended_ && ready_[0].size() < frames * channels_) AddFrame();
  const std::size_t count = std::min(frames, ready_[0].size() / channels_);
  blocks.resize(stems_.size());
  for (std::size_t s = 0; s < stems_.size(); ++s) {
    const auto end = ready_[s].begin() + static_cast<std::ptrdiff_t>(count * channels_);
    blocks[s].assign(ready_[s].begin(), end);
    ready_[s].erase(ready_[s].begin(), end);
  }
  return count;
}

}  // namespace stemsmith
