// NMF of the whole song, whose components are then sorted into stems by how they look (components
// and Wiener masks: T. Virtanen 2007, "Monaural sound source separation by nonnegative matrix
// factorization with temporal continuity and sparseness criteria", IEEE TASLP 15; the updates:
// baselines/nmf.h). The magnitudes are the mean of all channels'.
//
// A component is percussive where its activations stand out of their running median more than its
// spectrum does: peaks in time, none in frequency (the comparison of HPSS, on the factors). Of the
// others, one with most of its energy below bass_hz is bass, one with its centre between the two
// corners of the vocals is vocals, the rest are other instruments.
#include <algorithm>
#include <utility>

#include "baselines/baseline.h"
#include "baselines/magnitudes.h"
#include "baselines/median_rows.h"
#include "baselines/nmf_masks.h"
#include "baselines/whole_song.h"
#include "core/error.h"

namespace stemsmith {
namespace {

enum Stem : std::size_t { kDrums, kBass, kOther, kVocals, kStems };

struct Settings {
  StftOptions stft;
  PartOptions parts;
  NmfOptions nmf;
  int components = 40;
  double mask_power = 2;
  double bass_hz = 200, vocals_low_hz = 300, vocals_high_hz = 3000;
  double percussive_bias = 0;
};

// How much of `values` lies above their running median: 0 where they change slowly, near 1 where
// they are single peaks.
double PeakShare(const std::vector<float>& values) {
  static const MedianRows median(17);
  const std::size_t half = median.rows() / 2;
  std::vector<float> mirrored;
  for (std::size_t i = 0; i < values.size() + 2 * half; ++i)
    mirrored.push_back(values[MirroredIndex(
        static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(half), values.size())]);
  std::vector<const float*> rows;
  for (std::size_t r = 0; r < median.rows(); ++r) rows.push_back(mirrored.data() + r);
  std::vector<float> medians(values.size());
  median(rows.data(), values.size(), medians.data());
  double above = 0, all = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    above += std::max(0.0f, values[i] - medians[i]);
    all += values[i];
  }
  return all > 0 ? above / all : 0;
}

Stem StemOf(const std::vector<float>& activations, const std::vector<float>& spectrum,
            double bin_hz, const Settings& settings) {
  if (PeakShare(activations) > PeakShare(spectrum) + settings.percussive_bias) return kDrums;
  double energy = 0, low = 0, centre = 0;
  for (std::size_t f = 0; f < spectrum.size(); ++f) {
    const double power = static_cast<double>(spectrum[f]) * spectrum[f];
    const double hz = static_cast<double>(f) * bin_hz;
    energy += power;
    centre += power * hz;
    if (hz <= settings.bass_hz) low += power;
  }
  if (energy <= 0) return kOther;
  if (low > 0.5 * energy) return kBass;
  centre /= energy;
  return centre >= settings.vocals_low_hz && centre <= settings.vocals_high_hz ? kVocals : kOther;
}

std::vector<StemFactors> SortIntoStems(const Factors& all, const MagnitudeMatrix& v, double bin_hz,
                                       const Settings& settings) {
  std::vector<std::vector<std::size_t>> members(kStems);
  for (std::size_t k = 0; k < all.components; ++k) {
    std::vector<float> activations(v.frames);
    for (std::size_t n = 0; n < v.frames; ++n)
      activations[n] = all.activations[n * all.components + k];
    const auto begin = all.spectra.begin() + static_cast<std::ptrdiff_t>(k * v.bins);
    const std::vector<float> spectrum(begin, begin + static_cast<std::ptrdiff_t>(v.bins));
    members[StemOf(activations, spectrum, bin_hz, settings)].push_back(k);
  }
  std::vector<StemFactors> stems(kStems);
  for (std::size_t s = 0; s < kStems; ++s) {
    Factors& factors = stems[s].factors;
    stems[s].bins = v.bins;
    factors.components = members[s].size();
    for (const std::size_t k : members[s]) {
      const auto begin = all.spectra.begin() + static_cast<std::ptrdiff_t>(k * v.bins);
      factors.spectra.insert(factors.spectra.end(), begin,
                             begin + static_cast<std::ptrdiff_t>(v.bins));
    }
    for (std::size_t n = 0; n < v.frames; ++n)
      for (const std::size_t k : members[s])
        factors.activations.push_back(all.activations[n * all.components + k]);
  }
  return stems;
}

class Nmf : public Baseline {
 public:
  explicit Nmf(const Config& config) {
    settings_.stft = ReadStftOptions(config);
    settings_.parts = ReadPartOptions(config);
    settings_.nmf = ReadNmfOptions(config);
    settings_.components =
        static_cast<int>(config.IntegerIn("components", settings_.components, 1, 1000));
    settings_.mask_power = config.NumberIn("mask_power", settings_.mask_power, 0.1, 100);
    settings_.bass_hz = config.NumberIn("bass_hz", settings_.bass_hz, 1, 1e6);
    settings_.vocals_low_hz = config.NumberIn("vocals_low_hz", settings_.vocals_low_hz, 0, 1e6);
    settings_.vocals_high_hz = config.NumberIn("vocals_high_hz", settings_.vocals_high_hz, 0, 1e6);
    if (settings_.vocals_low_hz >= settings_.vocals_high_hz)
      throw Error::Usage("no component can be vocals", config.Where("vocals_high_hz"),
                         "vocals_low_hz must be below vocals_high_hz");
    settings_.percussive_bias =
        config.NumberIn("percussive_bias", settings_.percussive_bias, -1, 1);
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
    const MeanMagnitudes magnitudes = ReadMeanMagnitudes(part, rate, settings_.stft, host);
    const MagnitudeMatrix v = {magnitudes.values.data(), magnitudes.frames, magnitudes.bins,
                               magnitudes.bins};
    Factors factors =
        RandomFactors(v, static_cast<std::size_t>(settings_.components), settings_.nmf.seed);
    Factorize(v, settings_.nmf.divergence, settings_.nmf.iterations, factors, host);
    const double bin_hz = static_cast<double>(rate) / settings_.stft.n_fft;
    return std::make_unique<NmfMasks>(SortIntoStems(factors, v, bin_hz, settings_), v.bins,
                                      settings_.mask_power);
  }

  Settings settings_;
  std::vector<std::string> stems_ = {"drums", "bass", "other", "vocals"};
};

}  // namespace

std::unique_ptr<Baseline> MakeNmf(const Config& settings) {
  return std::make_unique<Nmf>(settings);
}

}  // namespace stemsmith
