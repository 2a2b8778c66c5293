// Four stems by four classical steps on the STFT, whose shares of each bin sum to one:
//  - vocals: what the frames most like it do not have in common with a frame (REPET-SIM, Z. Rafii &
//    B. Pardo 2012, "Music/voice separation using the similarity matrix", ISMIR), above the bass;
//  - drums: the percussive share (HPSS, D. Fitzgerald 2010, "Harmonic/percussive separation using
//    median filtering", DAFx) without the vocals' share of it;
//  - bass: the harmonic share below 200 Hz, by the response of a zero-phase Butterworth low pass;
//  - other: the rest of the harmonic share.
// Looks at the whole song, and holds the magnitudes of its STFT: about 750 MB for 10 minutes of
// stereo at 44.1 kHz, longer songs in parts (baselines/parted_song.h).
#include <algorithm>
#include <cmath>
#include <utility>

#include "baselines/baseline.h"
#include "baselines/hpss.h"
#include "baselines/magnitudes.h"
#include "baselines/nearest_frames.h"
#include "baselines/spectral_song.h"
#include "baselines/whole_song.h"
#include "core/config.h"

namespace stemsmith {
namespace {

enum Stem : std::size_t { kDrums, kBass, kOther, kVocals, kStems };

struct Settings {
  StftOptions stft;
  PartOptions parts;
  HpssOptions hpss;
  double bass_hz = 200;
  int bass_order = 4;
  int neighbours = 100;
  double neighbour_seconds = 1;  // how far away neighbours lie at least
  double vocal_margin = 1;
};

class Masks : public FrameSeparator {
 public:
  Masks(const Settings& settings, Magnitudes magnitudes, int sample_rate_hz, const Host& host)
      : settings_(settings),
        magnitudes_(std::move(magnitudes)),
        hpss_(settings.hpss),
        bins_(magnitudes_.bins),
        below_(bins_),
        harmonic_(bins_),
        repeating_(bins_),
        rest_(bins_) {
    for (std::size_t f = 0; f < bins_; ++f) {
      const double hz = static_cast<double>(f) * sample_rate_hz / settings.stft.n_fft;
      below_[f] =
          static_cast<float>(1 / (1 + std::pow(hz / settings.bass_hz, 2 * settings.bass_order)));
    }
    NearestOptions nearest;
    nearest.count = static_cast<std::size_t>(settings.neighbours);
    nearest.width = std::max<std::size_t>(
        1,
        static_cast<std::size_t>(settings.neighbour_seconds * sample_rate_hz / settings.stft.hop));
    nearest_ = FindNearestFrames(
        magnitudes_.frames, bins_, [this](std::size_t n, float* out) { magnitudes_.Mean(n, out); },
        nearest, host);
  }

  void Separate(std::size_t n, std::span<const std::complex<float>> mixture,
                std::span<std::complex<float>> stems) override {
    const std::size_t size = mixture.size();
    for (std::size_t c = 0; c * bins_ < size; ++c) {
      hpss_.HarmonicMask(magnitudes_.Channel(c), bins_, n, harmonic_);
      FindRepeating(c, n);
      // The foreground against the repeating background.
      const float* magnitudes = magnitudes_.Frame(c, n);
      const auto margin = static_cast<float>(settings_.vocal_margin);
      for (std::size_t f = 0; f < bins_; ++f) {
        rest_[f] = magnitudes[f] - repeating_[f];
        repeating_[f] *= margin;
      }
      SoftMask(rest_, repeating_, static_cast<float>(settings_.hpss.power), rest_);
      for (std::size_t f = 0; f < bins_; ++f) {
        const std::size_t i = c * bins_ + f;
        const float vocals = (1 - below_[f]) * rest_[f], harmonic = harmonic_[f];
        stems[kVocals * size + i] = vocals * mixture[i];
        stems[kDrums * size + i] = (1 - harmonic) * (1 - vocals) * mixture[i];
        stems[kBass * size + i] = harmonic * below_[f] * mixture[i];
        stems[kOther * size + i] = harmonic * (1 - below_[f] - vocals) * mixture[i];
      }
    }
  }

 private:
  // The median of the frames like frame n, not more than it has itself; without any, all of it.
  void FindRepeating(std::size_t c, std::size_t n) {
    const float* own = magnitudes_.Frame(c, n);
    rows_.clear();
    for (const std::uint32_t neighbour : nearest_[n])
      rows_.push_back(magnitudes_.Frame(c, neighbour));
    if (rows_.empty()) {
      std::copy_n(own, bins_, repeating_.begin());
      return;
    }
    if (!median_ || median_->rows() != rows_.size())
      median_ = std::make_unique<MedianRows>(rows_.size());
    (*median_)(rows_.data(), bins_, repeating_.data());
    for (std::size_t f = 0; f < bins_; ++f) repeating_[f] = std::min(repeating_[f], own[f]);
  }

  const Settings& settings_;
  Magnitudes magnitudes_;
  Hpss hpss_;
  NearestFrames nearest_;
  std::unique_ptr<MedianRows> median_;
  std::size_t bins_;
  std::vector<float> below_;  // the bass's share of each bin
  std::vector<float> harmonic_, repeating_, rest_;
  std::vector<const float*> rows_;
};

class HpssRepet : public Baseline {
 public:
  explicit HpssRepet(const Config& config) {
    settings_.stft = ReadStftOptions(config);
    settings_.parts = ReadPartOptions(config);
    settings_.hpss = ReadHpssOptions(config);
    settings_.bass_hz = config.NumberIn("bass_hz", settings_.bass_hz, 1, 100'000);
    settings_.bass_order =
        static_cast<int>(config.IntegerIn("bass_order", settings_.bass_order, 1, 16));
    settings_.neighbours =
        static_cast<int>(config.IntegerIn("neighbours", settings_.neighbours, 1, 1000));
    settings_.neighbour_seconds =
        config.NumberIn("neighbour_seconds", settings_.neighbour_seconds, 0, 600);
    settings_.vocal_margin = config.NumberIn("vocal_margin", settings_.vocal_margin, 0.01, 100);
  }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::unique_ptr<SongSeparator> Open(BaselineInput input) const override {
    return OpenWholeSong(std::move(input), stems_, settings_.stft, settings_.parts,
                         [this](const AudioBuffer& part, int rate, const Host& host) {
                           return std::make_unique<Masks>(
                               settings_, ReadMagnitudes(part, rate, settings_.stft, host), rate,
                               host);
                         });
  }

 private:
  Settings settings_;
  std::vector<std::string> stems_ = {"drums", "bass", "other", "vocals"};
};

}  // namespace

std::unique_ptr<Baseline> MakeHpssRepet(const Config& settings) {
  return std::make_unique<HpssRepet>(settings);
}

}  // namespace stemsmith
