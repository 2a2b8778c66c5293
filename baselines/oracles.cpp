// Methods that are shown the true stems and divide the mixture by them, bin by bin of the STFT:
// what a method of the same kind could reach at best. Streams; the stems sum to the mixture.
//  - ideal_binary_mask: a bin belongs to the stem that is loudest in it (D. Wang 2005, "On ideal
//    binary mask as the computational goal of auditory scene analysis").
//  - ideal_ratio_mask: each stem gets its share of the magnitudes to a power (A. Narayanan & D.
//  Wang
//    2013, "Ideal ratio mask estimation using deep neural networks for robust speech recognition",
//    ICASSP).
//  - ideal_wiener: the multichannel Wiener filter of the local Gaussian model with the true powers
//    and one spatial covariance per stem and frequency (N. Q. K. Duong, E. Vincent & R. Gribonval
//    2010, "Under-determined reverberant audio source separation using a full-rank spatial
//    covariance model", IEEE TASLP 18). Reads the references twice.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <complex>
#include <deque>
#include <utility>

#include "baselines/baseline.h"
#include "baselines/references.h"
#include "baselines/spectral_song.h"
#include "core/config.h"
#include "core/error.h"

namespace stemsmith {
namespace {

using Complex = std::complex<float>;
using Readers = std::vector<std::unique_ptr<AudioReader>>;

// The spectra of all references, frame after frame.
class ReferenceSpectra {
 public:
  ReferenceSpectra(const Readers& references, const StftOptions& options, std::string song)
      : song_(std::move(song)) {
    for (const auto& reference : references) readers_.emplace_back(*reference, options);
  }
  // The next frame: [S, C, F]. False where the references end; all of them must.
  bool Next(std::span<Complex> spectra) {
    const std::size_t size = spectra.size() / readers_.size();
    std::size_t ended = 0;
    for (std::size_t s = 0; s < readers_.size(); ++s)
      if (!readers_[s].Next(spectra.subspan(s * size, size))) ++ended;
    if (ended > 0 && ended < readers_.size())
      throw Error::Input("the references have different lengths", song_,
                         "give the stems that this mixture was made of");
    return ended == 0;
  }

 private:
  std::string song_;
  std::deque<SpectrumReader> readers_;  // which cannot be moved
};

class Oracle : public FrameSeparator {
 public:
  Oracle(BaselineInput& input, const StftOptions& options)
      : channels_(static_cast<std::size_t>(input.song->info().channels)),
        bins_(static_cast<std::size_t>(options.n_fft / 2 + 1)),
        song_(input.file.string()),
        references_(std::move(input.references)),
        spectra_(references_, options, song_),
        frame_(references_.size() * channels_ * bins_) {}

  void Separate(std::size_t, std::span<const Complex> mixture, std::span<Complex> stems) override {
    if (!spectra_.Next(frame_))
      throw Error::Input("the references end before the song", song_,
                         "give the stems that this mixture was made of");
    Divide(mixture, frame_, stems);
  }

 protected:
  // The mixture [C, F] by the references [S, C, F] → the stems [S, C, F].
  virtual void Divide(std::span<const Complex> mixture, std::span<const Complex> references,
                      std::span<Complex> stems) = 0;
  std::size_t count() const { return references_.size(); }

  const std::size_t channels_, bins_;
  const std::string song_;
  const Readers references_;

 private:
  ReferenceSpectra spectra_;
  std::vector<Complex> frame_;
};

class BinaryMask : public Oracle {
 public:
  using Oracle::Oracle;

 private:
  void Divide(std::span<const Complex> mixture, std::span<const Complex> references,
              std::span<Complex> stems) override {
    const std::size_t size = mixture.size();
    std::fill(stems.begin(), stems.end(), Complex());
    for (std::size_t i = 0; i < size; ++i) {
      std::size_t loudest = 0;
      for (std::size_t s = 1; s < count(); ++s)
        if (std::norm(references[s * size + i]) > std::norm(references[loudest * size + i]))
          loudest = s;
      stems[loudest * size + i] = mixture[i];
    }
  }
};

class RatioMask : public Oracle {
 public:
  RatioMask(BaselineInput& input, const StftOptions& options, double power)
      : Oracle(input, options), power_(power), shares_(count()) {}

 private:
  void Divide(std::span<const Complex> mixture, std::span<const Complex> references,
              std::span<Complex> stems) override {
    const std::size_t size = mixture.size();
    for (std::size_t i = 0; i < size; ++i) {
      double sum = 0;
      for (std::size_t s = 0; s < count(); ++s) {
        shares_[s] = std::pow(static_cast<double>(std::abs(references[s * size + i])), power_);
        sum += shares_[s];
      }
      for (std::size_t s = 0; s < count(); ++s) {
        const double share = sum > 0 ? shares_[s] / sum : 1.0 / static_cast<double>(count());
        stems[s * size + i] = static_cast<float>(share) * mixture[i];
      }
    }
  }

  double power_;
  std::vector<double> shares_;
};

constexpr int kMostChannels = 8;

class WienerFilter : public Oracle {
 public:
  WienerFilter(BaselineInput& input, const StftOptions& options) : Oracle(input, options) {
    if (channels_ > kMostChannels)
      throw Error::Input("a multichannel Wiener filter of " + std::to_string(channels_) +
                             " channels is not supported",
                         song_,
                         "take ideal_ratio_mask, or a song of at most " +
                             std::to_string(kMostChannels) + " channels");
    FindCovariances(options, input.host);
  }

 private:
  using Matrix = Eigen::Matrix<std::complex<double>, Eigen::Dynamic, Eigen::Dynamic, 0,
                               kMostChannels, kMostChannels>;
  using Column = Eigen::Matrix<std::complex<double>, Eigen::Dynamic, 1, 0, kMostChannels, 1>;

  // Bin f of all channels of [C, F].
  Column Bin(const Complex* spectra, std::size_t f) const {
    Column bin(static_cast<Eigen::Index>(channels_));
    for (std::size_t c = 0; c < channels_; ++c)
      bin[static_cast<Eigen::Index>(c)] = spectra[c * bins_ + f];
    return bin;
  }

  // Of each stem and frequency, over the whole song; their trace is the number of channels.
  void FindCovariances(const StftOptions& options, const Host& host) {
    const auto size = static_cast<Eigen::Index>(channels_);
    covariances_.assign(count() * bins_, Matrix::Zero(size, size));
    ReferenceSpectra spectra(references_, options, song_);
    std::vector<Complex> frame(count() * channels_ * bins_);
    for (std::size_t n = 0; spectra.Next(frame); ++n) {
      if (n % 256 == 0) StopIfAsked(host);
      for (std::size_t s = 0; s < count(); ++s) {
        for (std::size_t f = 0; f < bins_; ++f) {
          const Column bin = Bin(frame.data() + s * channels_ * bins_, f);
          covariances_[s * bins_ + f] += bin * bin.adjoint();
        }
      }
    }
    for (Matrix& covariance : covariances_) {
      const double trace = covariance.trace().real();
      if (trace > 0) covariance *= static_cast<double>(channels_) / trace;
    }
    for (const auto& reference : references_) reference->Rewind();
  }

  void Divide(std::span<const Complex> mixture, std::span<const Complex> references,
              std::span<Complex> stems) override {
    const auto size = static_cast<Eigen::Index>(channels_);
    std::vector<double> powers(count());
    for (std::size_t f = 0; f < bins_; ++f) {
      Matrix all = Matrix::Zero(size, size);
      for (std::size_t s = 0; s < count(); ++s) {
        powers[s] = Bin(references.data() + s * channels_ * bins_, f).squaredNorm() /
                    static_cast<double>(channels_);
        all += powers[s] * covariances_[s * bins_ + f];
      }
      // Channels that are multiples of each other leave it singular, silence leaves nothing.
      constexpr double kShareOfTrace = 1e-9, kSmallest = 1e-30;
      all += (kShareOfTrace * all.trace().real() + kSmallest) * Matrix::Identity(size, size);
      const Column whitened = all.partialPivLu().solve(Bin(mixture.data(), f));
      for (std::size_t s = 0; s < count(); ++s) {
        const Column stem = powers[s] * (covariances_[s * bins_ + f] * whitened);
        for (std::size_t c = 0; c < channels_; ++c)
          stems[(s * channels_ + c) * bins_ + f] = Complex(stem[static_cast<Eigen::Index>(c)]);
      }
    }
  }

  std::vector<Matrix> covariances_;  // [S, F]
};

enum class Kind { kBinary, kRatio, kWiener };

class OracleBaseline : public Baseline {
 public:
  OracleBaseline(const Config& config, Kind kind)
      : kind_(kind),
        stft_(ReadStftOptions(config, {.n_fft = 2048, .hop = 512})),
        stems_(config.Strings("stems", {"drums", "bass", "other", "vocals"})) {
    if (kind == Kind::kRatio) power_ = config.NumberIn("mask_power", power_, 0.1, 100);
  }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::unique_ptr<SongSeparator> Open(BaselineInput input) const override {
    CheckReferences(*input.song, input.references, input.file, input.host);
    std::unique_ptr<FrameSeparator> oracle;
    if (kind_ == Kind::kBinary) oracle = std::make_unique<BinaryMask>(input, stft_);
    if (kind_ == Kind::kRatio) oracle = std::make_unique<RatioMask>(input, stft_, power_);
    if (kind_ == Kind::kWiener) oracle = std::make_unique<WienerFilter>(input, stft_);
    return std::make_unique<SpectralSong>(std::move(input.song), stems_, stft_, std::move(oracle));
  }

 private:
  Kind kind_;
  StftOptions stft_;
  std::vector<std::string> stems_;
  double power_ = 1;
};

}  // namespace

std::unique_ptr<Baseline> MakeIdealBinaryMask(const Config& settings) {
  return std::make_unique<OracleBaseline>(settings, Kind::kBinary);
}
std::unique_ptr<Baseline> MakeIdealRatioMask(const Config& settings) {
  return std::make_unique<OracleBaseline>(settings, Kind::kRatio);
}
std::unique_ptr<Baseline> MakeIdealWiener(const Config& settings) {
  return std::make_unique<OracleBaseline>(settings, Kind::kWiener);
}

}  // namespace stemsmith
