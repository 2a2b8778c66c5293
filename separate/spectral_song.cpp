#include "separate/spectral_song.h"

#include <algorithm>

#include "audio/stft.h"
#include "core/error.h"
#include "separate/stem_mix.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 4096;

class RecordedSong : public SongSeparator {
 public:
  explicit RecordedSong(std::unique_ptr<AudioReader> recording)
      : recording_(std::move(recording)) {}
  const AudioInfo& info() const override { return recording_->info(); }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return recording_->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const auto channels = static_cast<std::size_t>(info().channels);
    blocks.resize(1);
    blocks[0].resize(frames * channels);
    const std::size_t count = recording_->Read(blocks[0].data(), frames);
    blocks[0].resize(count * channels);
    return count;
  }

 private:
  std::unique_ptr<AudioReader> recording_;
  std::vector<std::string> stems_ = {kMixture};
};

class SpectralSong : public SongSeparator {
 public:
  SpectralSong(Songs songs, std::vector<std::string> stems, SpectralChange change)
      : songs_(std::move(songs)),
        stems_(std::move(stems)),
        change_(std::move(change)),
        channels_(static_cast<std::size_t>(info().channels)),
        transform_(change_.n_fft),
        bins_(window() / 2 + 1) {
    for (const auto& song : songs_) input_.resize(input_.size() + song->stems().size() * channels_);
    for (auto& samples : input_) samples.reserve(window() + kBlockFrames);
    spectra_.resize(input_.size());
    for (auto& spectra : spectra_) spectra.resize(change_.frames * bins_);
    changed_.assign(stems_.size() * channels_,
                    std::vector<std::complex<float>>(change_.frames * bins_));
    sum_.assign(changed_.size(), std::vector<float>(change_.frames * hop() + window(), 0.0f));
    weight_ = sum_.front();
    output_.resize(stems_.size());
    skip_ = window() / 2;
  }

  const AudioInfo& info() const override { return songs_.front()->info(); }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return songs_.front()->damage(); }

  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    while (ready() < frames && !ended_) More();
    const std::size_t count = std::min(frames, ready());
    const auto end = static_cast<std::ptrdiff_t>(count * channels_);
    blocks.resize(stems_.size());
    for (std::size_t s = 0; s < blocks.size(); ++s) {
      blocks[s].assign(output_[s].begin(), output_[s].begin() + end);
      output_[s].erase(output_[s].begin(), output_[s].begin() + end);
    }
    return count;
  }

 private:
  std::size_t window() const { return static_cast<std::size_t>(change_.n_fft); }
  std::size_t hop() const { return static_cast<std::size_t>(change_.hop); }
  std::size_t ready() const { return output_.front().size() / channels_; }

  void More() {
    const std::size_t count = ReadTogether(songs_, kBlockFrames, blocks_);
    if (count == 0) return Finish();
    length_ += count;
    auto samples = input_.begin();
    for (const auto& song : blocks_)
      for (const auto& stem : song)
        for (std::size_t c = 0; c < channels_; ++c, ++samples)
          for (std::size_t t = c; t < stem.size(); t += channels_) samples->push_back(stem[t]);
    const bool mirrored = change_.edge == SpectralEdge::kMirrored;
    if (!begun_ && (!mirrored || length_ > window() / 2)) Begin(mirrored);
    if (begun_) Analyse();
  }

  void Begin(bool mirrored) {
    begun_ = true;
    for (auto& samples : input_) {
      std::vector<float> before(window() / 2, 0.0f);
      if (mirrored)
        std::reverse_copy(samples.begin() + 1,
                          samples.begin() + 1 + static_cast<std::ptrdiff_t>(before.size()),
                          before.begin());
      samples.insert(samples.begin(), before.begin(), before.end());
    }
  }

  void Finish() {
    ended_ = true;
    if (length_ == 0) return;
    const bool mirrored = change_.edge == SpectralEdge::kMirrored && begun_;
    if (!begun_) Begin(false);
    const std::size_t half = window() / 2;
    for (auto& samples : input_) {
      if (mirrored) {
        for (std::size_t i = 0, end = samples.size(); i < half; ++i)
          samples.push_back(samples[end - 2 - i]);
      } else {
        samples.resize(samples.size() + half + (hop() - length_ % hop()) % hop(), 0.0f);
      }
    }
    Analyse();
    Change();
    Emit(window());
  }

  // All frames that the input holds.
  void Analyse() {
    std::size_t begin = 0;
    for (; begin + window() <= input_.front().size(); begin += hop()) {
      for (std::size_t m = 0; m < input_.size(); ++m)
        transform_.Forward(input_[m].data() + begin, spectra_[m].data() + waiting_ * bins_);
      if (++waiting_ == change_.frames) Change();
    }
    for (auto& samples : input_)
      samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(begin));
  }

  // Those that wait, and what is complete by them.
  void Change() {
    change_.change(waiting_, spectra_, changed_);
    block_.resize(window());
    for (std::size_t m = 0; m < changed_.size(); ++m) {
      for (std::size_t n = 0; n < waiting_; ++n) {
        transform_.Inverse(changed_[m].data() + n * bins_, block_.data());
        float* const to = sum_[m].data() + n * hop();
        for (std::size_t i = 0; i < block_.size(); ++i) to[i] += block_[i];
      }
    }
    for (std::size_t n = 0; n < waiting_; ++n)
      for (std::size_t i = 0; i < window(); ++i)
        weight_[n * hop() + i] += transform_.window()[i] * transform_.window()[i];
    Emit(waiting_ * hop());
    waiting_ = 0;
  }

  // The first `frames` frames of the sums, but for those before the song and behind it.
  void Emit(std::size_t frames) {
    constexpr float kSmallestWeight = 1e-11f;
    const std::size_t begin = std::min(skip_, frames);
    const std::size_t end = std::min(frames, begin + (length_ - given_));
    skip_ -= begin;
    given_ += end - begin;
    for (std::size_t s = 0; s < stems_.size(); ++s)
      for (std::size_t t = begin; t < end; ++t)
        for (std::size_t c = 0; c < channels_; ++c)
          output_[s].push_back(
              weight_[t] > kSmallestWeight ? sum_[s * channels_ + c][t] / weight_[t] : 0.0f);
    const auto advance = [frames](std::vector<float>& samples) {
      std::copy(samples.begin() + static_cast<std::ptrdiff_t>(frames), samples.end(),
                samples.begin());
      std::fill(samples.end() - static_cast<std::ptrdiff_t>(frames), samples.end(), 0.0f);
    };
    for (auto& samples : sum_) advance(samples);
    advance(weight_);
  }

  Songs songs_;
  std::vector<std::string> stems_;
  SpectralChange change_;
  std::size_t channels_;
  FrameTransform transform_;
  std::size_t bins_;

  std::vector<std::vector<std::vector<float>>> blocks_;
  std::vector<std::vector<float>> input_;  // of each channel, from the next frame's begin on
  SpectralChange::Spectra spectra_, changed_;
  std::size_t waiting_ = 0;              // frames of spectra_
  std::vector<std::vector<float>> sum_;  // of each channel, from the first waiting frame's begin on
  std::vector<float> weight_, block_;
  std::vector<std::vector<float>> output_;  // of each stem, interleaved
  std::size_t length_ = 0, given_ = 0;      // frames read, and made
  std::size_t skip_ = 0;                    // frames of the sums that lie before the song
  bool begun_ = false, ended_ = false;
};

}  // namespace

std::size_t ReadTogether(const Songs& songs, std::size_t frames,
                         std::vector<std::vector<std::vector<float>>>& blocks) {
  blocks.resize(songs.size());
  const std::size_t count = songs.front()->Read(frames, blocks.front());
  std::vector<std::vector<float>> more;
  for (std::size_t k = 1; k < songs.size(); ++k) {
    // Whatever pieces it gives, as much as the first.
    for (auto& block : blocks[k]) block.clear();
    for (std::size_t done = 0; done < count;) {
      const std::size_t got = songs[k]->Read(count - done, more);
      if (got == 0) throw Error::Input("a song became shorter while it was read", "");
      blocks[k].resize(more.size());
      for (std::size_t s = 0; s < more.size(); ++s)
        blocks[k][s].insert(blocks[k][s].end(), more[s].begin(), more[s].end());
      done += got;
    }
  }
  return count;
}

std::unique_ptr<SongSeparator> SongOfItself(std::unique_ptr<AudioReader> recording) {
  return std::make_unique<RecordedSong>(std::move(recording));
}

std::unique_ptr<SongSeparator> ChangeSpectra(Songs songs, std::vector<std::string> stems,
                                             SpectralChange change) {
  return std::make_unique<SpectralSong>(std::move(songs), std::move(stems), std::move(change));
}

}  // namespace stemsmith
