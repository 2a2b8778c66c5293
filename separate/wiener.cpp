#include "separate/wiener.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/option.h"
#include "separate/spectral_song.h"

namespace stemsmith {
namespace {

using Complex = std::complex<double>;

constexpr int kWindow = 4096;
constexpr double kEpsilon = 1e-10;
// Spectra are scaled down to at most this magnitude, where the epsilon is small.
constexpr double kLargestMagnitude = 10.0;

// One or two channels as a vector, and a matrix of them. Of one channel the rest is 0.
struct Vector {
  Complex left = 0, right = 0;
};

// A Hermitian one: `cross` is left · conj(right).
struct Covariance {
  double left = 0, right = 0;
  Complex cross = 0;

  void Add(const Vector& value) {
    left += std::norm(value.left);
    right += std::norm(value.right);
    cross += value.left * std::conj(value.right);
  }
  void Add(double factor, const Covariance& other) {
    left += factor * other.left;
    right += factor * other.right;
    cross += factor * other.cross;
  }
  void Scale(double factor) {
    left *= factor;
    right *= factor;
    cross *= factor;
  }
  Vector Times(const Vector& value) const {
    return {left * value.left + cross * value.right,
            std::conj(cross) * value.left + right * value.right};
  }
  Covariance Inverse() const {
    const double determinant = left * right - std::norm(cross);
    return {right / determinant, left / determinant, -cross / determinant};
  }
};

// All iterations for one bin of a window: mixture [N], estimates [S][N], of so many channels.
void Refine(int channels, int iterations, const std::vector<Vector>& mixture,
            std::vector<std::vector<Vector>>& estimates) {
  const std::size_t stems = estimates.size(), frames = mixture.size();
  std::vector<Covariance> spatial(stems);
  std::vector<std::vector<double>> power(stems, std::vector<double>(frames));
  for (int iteration = 0; iteration < iterations; ++iteration) {
    for (std::size_t s = 0; s < stems; ++s) {
      spatial[s] = {};
      double weight = kEpsilon;
      for (std::size_t n = 0; n < frames; ++n) {
        const Vector& y = estimates[s][n];
        power[s][n] = (std::norm(y.left) + std::norm(y.right)) / channels;
        weight += power[s][n];
        spatial[s].Add(y);
      }
      spatial[s].Scale(1 / weight);
    }
    for (std::size_t n = 0; n < frames; ++n) {
      Covariance all{std::sqrt(kEpsilon), std::sqrt(kEpsilon)};
      for (std::size_t s = 0; s < stems; ++s) all.Add(power[s][n], spatial[s]);
      const Vector whitened = all.Inverse().Times(mixture[n]);
      for (std::size_t s = 0; s < stems; ++s) {
        Covariance gain = spatial[s];
        gain.Scale(power[s][n]);
        estimates[s][n] = gain.Times(whitened);
      }
    }
  }
}

// A magnitude with the phase of the mixture.
Complex WithPhase(float magnitude, std::complex<float> mixture) {
  const double size = std::abs(Complex(mixture));
  return size == 0 ? Complex(magnitude) : Complex(mixture) * (magnitude / size);
}

// The channels [first, first + count) of a window: `in` are those of the stems, one stem after the
// other, and at the end those of the mixture.
void RefineWindow(std::size_t channels, std::size_t first, int count, int iterations,
                  std::size_t frames, const SpectralChange::Spectra& in,
                  SpectralChange::Spectra& out) {
  constexpr std::size_t kBins = kWindow / 2 + 1;
  const std::size_t stems = out.size() / channels;
  const std::size_t last = first + static_cast<std::size_t>(count) - 1;
  const auto& left = in[out.size() + first];
  const auto& right = in[out.size() + last];
  float largest = 0;
  for (std::size_t i = 0; i < frames * kBins; ++i)
    largest = std::max({largest, std::abs(left[i]), std::abs(right[i])});
  const double scale = std::max(1.0, largest / kLargestMagnitude);
  std::vector<Vector> mixture(frames);
  std::vector<std::vector<Vector>> estimates(stems, mixture);
  for (std::size_t f = 0; f < kBins; ++f) {
    for (std::size_t n = 0; n < frames; ++n) {
      const std::size_t i = n * kBins + f;
      mixture[n].left = Complex(left[i]) / scale;
      if (count == 2) mixture[n].right = Complex(right[i]) / scale;
      for (std::size_t s = 0; s < stems; ++s) {
        const auto estimate = [&](std::size_t channel, std::complex<float> phase) {
          return WithPhase(std::abs(in[s * channels + channel][i]), phase) / scale;
        };
        estimates[s][n].left = estimate(first, left[i]);
        if (count == 2) estimates[s][n].right = estimate(last, right[i]);
      }
    }
    Refine(count, iterations, mixture, estimates);
    for (std::size_t s = 0; s < stems; ++s) {
      for (std::size_t n = 0; n < frames; ++n) {
        const std::size_t i = n * kBins + f;
        out[s * channels + first][i] = std::complex<float>(estimates[s][n].left * scale);
        if (count == 2)
          out[s * channels + last][i] = std::complex<float>(estimates[s][n].right * scale);
      }
    }
  }
}

}  // namespace

void CheckWiener(const std::vector<std::string>& stems) {
  if (stems.size() < 2)
    throw Error::Usage("a Wiener filter needs the other stems of a song, too", Option("wiener"),
                       "leave it out: there is the single stem '" + stems.front() + "'");
}

std::unique_ptr<SongSeparator> RefineByWiener(std::unique_ptr<SongSeparator> song,
                                              std::unique_ptr<AudioReader> mixture,
                                              int iterations) {
  std::vector<std::string> stems = song->stems();
  CheckWiener(stems);
  const int channels = song->info().channels;
  SpectralChange change{.n_fft = kWindow,
                        .hop = kWindow / 4,
                        .edge = SpectralEdge::kMirrored,
                        .frames = 300,
                        .change = {}};
  change.change = [channels, iterations](std::size_t frames, const SpectralChange::Spectra& in,
                                         SpectralChange::Spectra& out) {
    for (int first = 0; first < channels; first += 2)
      RefineWindow(static_cast<std::size_t>(channels), static_cast<std::size_t>(first),
                   std::min(2, channels - first), iterations, frames, in, out);
  };
  Songs songs;
  songs.push_back(std::move(song));
  songs.push_back(SongOfItself(std::move(mixture)));
  return ChangeSpectra(std::move(songs), std::move(stems), std::move(change));
}

}  // namespace stemsmith
