// Every stem is the mixture itself, not a share of it, as the campaigns take it for the lowest
// figure that a separation must exceed (Stöter, Liutkus & Ito 2018, "The 2018 Signal Separation
// Evaluation Campaign"). A stream.
#include <utility>

#include "baselines/baseline.h"
#include "core/config.h"

namespace stemsmith {
namespace {

class MixtureSong : public SongSeparator {
 public:
  MixtureSong(std::unique_ptr<AudioReader> song, std::vector<std::string> stems)
      : song_(std::move(song)), stems_(std::move(stems)) {}
  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return song_->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const auto channels = static_cast<std::size_t>(info().channels);
    std::vector<float> block(frames * channels);
    const std::size_t count = song_->Read(block.data(), frames);
    block.resize(count * channels);
    blocks.assign(stems_.size(), block);
    return count;
  }

 private:
  std::unique_ptr<AudioReader> song_;
  std::vector<std::string> stems_;
};

class Mixture : public Baseline {
 public:
  explicit Mixture(const Config& settings)
      : stems_(settings.Strings("stems", {"drums", "bass", "other", "vocals"})) {}
  const std::vector<std::string>& stems() const override { return stems_; }
  std::unique_ptr<SongSeparator> Open(BaselineInput input) const override {
    return std::make_unique<MixtureSong>(std::move(input.song), stems_);
  }

 private:
  std::vector<std::string> stems_;
};

}  // namespace

std::unique_ptr<Baseline> MakeMixture(const Config& settings) {
  return std::make_unique<Mixture>(settings);
}

}  // namespace stemsmith
