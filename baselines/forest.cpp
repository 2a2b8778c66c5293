// A random forest (L. Breiman 2001, "Random forests", Machine Learning 45) that was fitted to songs
// (baselines/forest_fit.h): from what a frame sounds like (MFCC, spectral centroid, bandwidth,
// roll-off, zero-crossing rate, energies per band) it tells which share of each band belongs to
// which stem. The shares are soft masks on the STFT, the same for all channels, and sum to one.
//
// Looks at the whole song, or a long one's part: a band is told by what comes before and after. The
// forest hears it at the sample rate that it was fitted at; the masks are applied at the song's
// own, so that nothing of the song is lost.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "audio/decode.h"
#include "baselines/baseline.h"
#include "baselines/forest_file.h"
#include "baselines/frame_features.h"
#include "baselines/magnitudes.h"
#include "baselines/spectral_song.h"
#include "baselines/whole_song.h"
#include "core/config.h"
#include "core/error.h"

namespace stemsmith {
namespace {

// The masks of a part of a song.
class Masks : public FrameSeparator {
 public:
  // `shares` are [N, bands, S] of frames that lie `step` of the song's frames apart.
  Masks(std::vector<float> shares, std::size_t stems, double step, const BandEdges& bands,
        std::size_t bins, double bin_hz)
      : shares_(std::move(shares)),
        stems_(stems),
        bands_(bands.count()),
        step_(step),
        places_(bins) {
    // Between the centres of two bands the masks go over into each other.
    std::size_t b = 0;
    for (std::size_t f = 0; f < bins; ++f) {
      const double hz = static_cast<double>(f) * bin_hz;
      while (b + 2 < bands_ && hz > bands.CentreHz(b + 1)) ++b;
      places_[f].lower = b;
      if (bands_ > 1)
        places_[f].weight = static_cast<float>(std::clamp(
            (hz - bands.CentreHz(b)) / (bands.CentreHz(b + 1) - bands.CentreHz(b)), 0.0, 1.0));
    }
  }

  void Separate(std::size_t n, std::span<const std::complex<float>> mixture,
                std::span<std::complex<float>> stems) override {
    const std::size_t bins = places_.size(), frames = shares_.size() / (bands_ * stems_);
    const auto frame =
        std::min(frames - 1, static_cast<std::size_t>(std::lround(static_cast<double>(n) / step_)));
    const float* shares = shares_.data() + frame * bands_ * stems_;
    for (std::size_t s = 0; s < stems_; ++s) {
      for (std::size_t i = 0; i < mixture.size(); ++i) {
        const Place& place = places_[i % bins];
        const std::size_t upper = std::min(place.lower + 1, bands_ - 1);
        const float low = shares[place.lower * stems_ + s], high = shares[upper * stems_ + s];
        stems[s * mixture.size() + i] = (low + place.weight * (high - low)) * mixture[i];
      }
    }
  }

 private:
  struct Place {
    std::size_t lower = 0;  // the band whose centre lies below
    float weight = 0;       // of the next
  };
  std::vector<float> shares_;
  std::size_t stems_, bands_;
  double step_;
  std::vector<Place> places_;  // of each bin
};

class Forest : public Baseline {
 public:
  explicit Forest(const Config& config) {
    const ForestOptions options = ReadForestOptions(config);  // the file knows how it was fitted
    parts_ = options.parts;
    mask_power_ = options.mask_power;
    if (!config.Has("model"))
      throw Error::Usage("the method 'forest' must be fitted first", config.Where(),
                         "stemsmith baseline forest --fit CACHE.h5 --out FILE writes a forest, "
                         "which the setting `model` names");
    config.CheckPath("model");
    path_ = config.Path("model");
    ForestFile file = ReadForest(path_);
    stems_ = std::move(file.stems);
    stft_ = file.options.stft;
    sample_rate_hz_ = file.sample_rate_hz;
    bands_ = static_cast<std::size_t>(file.options.bands);
    const ReadTreesFunction read = LoadReadTrees();
    try {
      for (const auto& texts : file.trees) {
        trees_.emplace_back();
        for (const std::string& text : texts) trees_.back().push_back(read(text, kRowFeatures));
      }
    } catch (const std::runtime_error& error) {
      throw Error::Input(std::string("the forest cannot be used: ") + error.what(), path_.string(),
                         "fit it again");
    }
  }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<std::filesystem::path> files() const override { return {path_}; }
  std::unique_ptr<SongSeparator> Open(BaselineInput input) const override {
    return OpenWholeSong(std::move(input), stems_, stft_, parts_,
                         [this](const AudioBuffer& part, int rate, const Host& host) {
                           return Analyse(part, rate, host);
                         });
  }

 private:
  std::unique_ptr<FrameSeparator> Analyse(const AudioBuffer& part, int rate,
                                          const Host& host) const {
    const BandEdges bands(sample_rate_hz_, stft_.n_fft, bands_);
    const FrameTable table = Describe(part, rate, bands, host);
    const std::size_t count = bands.count();
    std::vector<float> shares(table.frames * count * stems_.size()), rows(count * kRowFeatures);
    std::vector<float> answers(count), sums(count);
    for (std::size_t n = 0; n < table.frames; ++n) {
      if (n % 16 == 0) StopIfAsked(host);
      for (std::size_t b = 0; b < count; ++b)
        DescribeBand(table, n, b, rows.data() + b * kRowFeatures);
      float* frame = shares.data() + n * count * stems_.size();
      for (std::size_t s = 0; s < stems_.size(); ++s) {
        for (const auto& trees : trees_[s]) {
          trees->Ask(rows.data(), count, answers.data());
          for (std::size_t b = 0; b < count; ++b) frame[b * stems_.size() + s] += answers[b];
        }
      }
      for (std::size_t b = 0; b < count; ++b)
        Divide(std::span(frame + b * stems_.size(), stems_.size()));
    }
    const double step = static_cast<double>(rate) / sample_rate_hz_;
    return std::make_unique<Masks>(std::move(shares), stems_.size(), 1 / step, bands,
                                   static_cast<std::size_t>(stft_.n_fft / 2 + 1),
                                   static_cast<double>(rate) / stft_.n_fft);
  }

  FrameTable Describe(const AudioBuffer& part, int rate, const BandEdges& bands,
                      const Host& host) const {
    if (rate == sample_rate_hz_) return DescribeFrames(part, rate, stft_, bands, host);
    const auto reader = ConvertAudio(ReaderOf(part, rate), sample_rate_hz_, part.channels());
    return DescribeFrames(ReadAll(*reader), sample_rate_hz_, stft_, bands, host);
  }

  void Divide(std::span<float> shares) const {
    float sum = 0;
    for (float& share : shares)
      sum += share = std::pow(std::max(share, 0.0f), static_cast<float>(mask_power_));
    for (float& share : shares)
      share = sum > 0 ? share / sum : 1 / static_cast<float>(shares.size());
  }

  std::filesystem::path path_;
  PartOptions parts_;
  double mask_power_ = 1;
  std::vector<std::string> stems_;
  StftOptions stft_;
  int sample_rate_hz_ = 0;
  std::size_t bands_ = 0;
  std::vector<std::vector<std::unique_ptr<Trees>>> trees_;  // of each stem
};

}  // namespace

std::unique_ptr<Baseline> MakeForest(const Config& settings) {
  return std::make_unique<Forest>(settings);
}

}  // namespace stemsmith
