// Frequency-informed NMF: harmonic and percussive sounds are parted first (HPSS, D. Fitzgerald
// 2010, "Harmonic/percussive separation using median filtering", DAFx); the percussive ones are
// drums, of the harmonic ones the bins in the range of each instrument are factorised by themselves
// (baselines/nmf.h), and the stems share each bin by their components there. The magnitudes are
// the mean of all channels'.
#include <algorithm>
#include <cmath>
#include <utility>

#include "baselines/baseline.h"
#include "baselines/hpss.h"
#include "baselines/magnitudes.h"
#include "baselines/nmf_masks.h"
#include "baselines/whole_song.h"
#include "core/error.h"

namespace stemsmith {
namespace {

struct Range {
  double low_hz = 0, high_hz = 0;  // high 0: to the highest
  int components = 20;
};

struct Settings {
  StftOptions stft;
  PartOptions parts;
  HpssOptions hpss;
  NmfOptions nmf;
  int percussive_components = 20;
  std::vector<Range> ranges;  // of the stems behind the percussive one
};

class NmfRanges : public Baseline {
 public:
  explicit NmfRanges(const Config& config) {
    settings_.stft = ReadStftOptions(config);
    settings_.parts = ReadPartOptions(config);
    settings_.hpss = ReadHpssOptions(config);
    settings_.nmf = ReadNmfOptions(config);
    stems_.push_back(config.String("percussive", "drums"));
    settings_.percussive_components = static_cast<int>(
        config.IntegerIn("percussive_components", settings_.percussive_components, 1, 1000));
    static const Config standard = Config::Parse(
        "{bass: {low_hz: 30, high_hz: 250, components: 10},"
        " other: {low_hz: 250, components: 20},"
        " vocals: {low_hz: 250, high_hz: 4000, components: 20}}",
        "ranges");
    const Config given = config.Child("ranges"), all = config.Has("ranges") ? given : standard;
    for (const std::string& stem : all.Keys()) {
      const Config one = all.Child(stem);
      Range range;
      range.low_hz = one.NumberIn("low_hz", 0, 0, 1e6);
      range.high_hz = one.NumberIn("high_hz", 0, 0, 1e6);
      range.components = static_cast<int>(one.IntegerIn("components", range.components, 1, 1000));
      if (range.high_hz > 0 && range.high_hz <= range.low_hz)
        throw Error::Usage("the range of '" + stem + "' is empty", all.Where(stem),
                           "low_hz must be below high_hz");
      if (std::find(stems_.begin(), stems_.end(), stem) != stems_.end())
        throw Error::Usage("the stem '" + stem + "' is there twice", config.Where("percussive"),
                           "the percussive one has no range");
      stems_.push_back(stem);
      settings_.ranges.push_back(range);
    }
  }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::unique_ptr<SongSeparator> Open(BaselineInput input) const override {
    return OpenWholeSong(std::move(input), stems_, settings_.stft, settings_.parts,
                         [this](const AudioBuffer& part, int rate, const Host& host) {
                           return Analyse(part, rate, host);
                         });
  }

 private:
  std::unique_ptr<FrameSeparator> Analyse(const AudioBuffer& part, int rate,
                                          const Host& host) const {
    const MeanMagnitudes all = ReadMeanMagnitudes(part, rate, settings_.stft, host);
    std::vector<StemFactors> stems;
    // One after the other, so that never more than two such matrices are there.
    {
      const std::vector<float> percussive = HpssShare(all, false, host);
      stems.push_back(
          Factorized(percussive, all, 0, all.bins, settings_.percussive_components, host));
    }
    const std::vector<float> harmonic = HpssShare(all, true, host);
    const double bin_hz = static_cast<double>(rate) / settings_.stft.n_fft;
    for (const Range& range : settings_.ranges) {
      const auto bin = [&](double hz) {
        return std::min(all.bins, static_cast<std::size_t>(std::lround(hz / bin_hz)));
      };
      const std::size_t first = bin(range.low_hz);
      const std::size_t end = range.high_hz > 0 ? std::max(first, bin(range.high_hz)) : all.bins;
      stems.push_back(Factorized(harmonic, all, first, end, range.components, host));
    }
    return std::make_unique<NmfMasks>(std::move(stems), all.bins, settings_.hpss.power);
  }

  std::vector<float> HpssShare(const MeanMagnitudes& all, bool harmonic, const Host& host) const {
    Hpss hpss(settings_.hpss);
    std::vector<float> part(all.values.size()), mask(all.bins);
    for (std::size_t n = 0; n < all.frames; ++n) {
      if (n % 256 == 0) StopIfAsked(host);
      hpss.HarmonicMask(all.values, all.bins, n, mask);
      for (std::size_t f = 0; f < all.bins; ++f)
        part[n * all.bins + f] = (harmonic ? mask[f] : 1 - mask[f]) * all.values[n * all.bins + f];
    }
    return part;
  }

  // Of the bins first … end - 1; a range above half the rate has none, and its stem is silent.
  StemFactors Factorized(const std::vector<float>& values, const MeanMagnitudes& shape,
                         std::size_t first, std::size_t end, int components,
                         const Host& host) const {
    StemFactors stem;
    if (first == end) return stem;
    stem.first_bin = first;
    stem.bins = end - first;
    const MagnitudeMatrix v = {values.data() + first, shape.frames, stem.bins, shape.bins};
    stem.factors = RandomFactors(v, static_cast<std::size_t>(components), settings_.nmf.seed);
    Factorize(v, settings_.nmf.divergence, settings_.nmf.iterations, stem.factors, host);
    return stem;
  }

  Settings settings_;
  std::vector<std::string> stems_;
};

}  // namespace

std::unique_ptr<Baseline> MakeNmfRanges(const Config& settings) {
  return std::make_unique<NmfRanges>(settings);
}

}  // namespace stemsmith
