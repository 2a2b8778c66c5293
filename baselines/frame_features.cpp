#include "baselines/frame_features.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "baselines/baseline.h"
#include "baselines/magnitudes.h"
#include "baselines/spectral_song.h"

namespace stemsmith {
namespace {

constexpr std::size_t kMelBands = 128;
constexpr float kSmallestPower = 1e-10f;

float Decibels(double power) {
  return static_cast<float>(10 * std::log10(std::max<double>(kSmallestPower, power)));
}

// Slaney's scale: even below 1 kHz, in octaves above.
constexpr double kLinearHz = 200.0 / 3, kBreakHz = 1000, kBreakMel = kBreakHz / kLinearHz;
const double kLogStep = std::log(6.4) / 27;
double MelOf(double hz) {
  return hz < kBreakHz ? hz / kLinearHz : kBreakMel + std::log(hz / kBreakHz) / kLogStep;
}
double HzOf(double mel) {
  return mel < kBreakMel ? mel * kLinearHz : kBreakHz * std::exp(kLogStep * (mel - kBreakMel));
}

}  // namespace

FrameFeatures::FrameFeatures(int sample_rate_hz, int n_fft)
    : bin_hz_(static_cast<double>(sample_rate_hz) / n_fft),
      cosines_(kMfcc * kMelBands),
      mel_db_(kMelBands) {
  const auto bins = static_cast<std::size_t>(n_fft / 2 + 1);
  std::vector<double> corners(kMelBands + 2);
  for (std::size_t i = 0; i < corners.size(); ++i)
    corners[i] = HzOf(MelOf(0.5 * sample_rate_hz) * static_cast<double>(i) / (kMelBands + 1));
  for (std::size_t m = 0; m < kMelBands; ++m) {
    const double low = corners[m], middle = corners[m + 1], high = corners[m + 2];
    Triangle triangle{0, {}};
    for (std::size_t f = 0; f < bins; ++f) {
      const double hz = static_cast<double>(f) * bin_hz_;
      const double height =
          std::min((hz - low) / (middle - low), (high - hz) / (high - middle)) * 2 / (high - low);
      if (height <= 0) continue;
      if (triangle.weights.empty()) triangle.first_bin = f;
      triangle.weights.push_back(static_cast<float>(height));
    }
    mel_.push_back(std::move(triangle));
  }
  for (std::size_t i = 0; i < kMfcc; ++i)
    for (std::size_t m = 0; m < kMelBands; ++m)
      cosines_[i * kMelBands + m] =
          static_cast<float>(std::sqrt((i == 0 ? 1.0 : 2.0) / kMelBands) *
                             std::cos(std::numbers::pi * static_cast<double>(i) *
                                      (static_cast<double>(m) + 0.5) / kMelBands));
}

void FrameFeatures::operator()(std::span<const float> power, float crossings, float* features) {
  for (std::size_t m = 0; m < kMelBands; ++m) {
    double sum = 0;
    const Triangle& triangle = mel_[m];
    for (std::size_t i = 0; i < triangle.weights.size(); ++i)
      sum += triangle.weights[i] * power[triangle.first_bin + i];
    mel_db_[m] = Decibels(sum);
  }
  for (std::size_t i = 0; i < kMfcc; ++i) {
    float sum = 0;
    for (std::size_t m = 0; m < kMelBands; ++m) sum += cosines_[i * kMelBands + m] * mel_db_[m];
    features[i] = sum;
  }
  double sum = 0, centre = 0;
  std::vector<double> magnitudes(power.size());
  for (std::size_t f = 0; f < power.size(); ++f) {
    magnitudes[f] = std::sqrt(static_cast<double>(power[f]));
    sum += magnitudes[f];
    centre += magnitudes[f] * static_cast<double>(f) * bin_hz_;
  }
  if (sum > 0) centre /= sum;
  double spread = 0, below = 0;
  std::size_t rolloff = power.size();
  for (std::size_t f = 0; f < power.size(); ++f) {
    const double distance = static_cast<double>(f) * bin_hz_ - centre;
    spread += magnitudes[f] * distance * distance;
    below += magnitudes[f];
    if (rolloff == power.size() && below >= 0.85 * sum) rolloff = f;
  }
  if (sum > 0) spread /= sum;
  features[kMfcc] = static_cast<float>(centre);
  features[kMfcc + 1] = static_cast<float>(std::sqrt(spread));
  features[kMfcc + 2] = static_cast<float>(static_cast<double>(rolloff) * bin_hz_);
  features[kMfcc + 3] = crossings;
}

std::vector<float> ZeroCrossingRates(const AudioBuffer& audio, const StftOptions& options) {
  constexpr float kSilent = 1e-10f;
  const auto n_fft = static_cast<std::size_t>(options.n_fft);
  const auto hop = static_cast<std::size_t>(options.hop);
  std::vector<float> rates(1 + audio.frames() / hop, 0.0f);
  std::vector<std::uint32_t> until(audio.frames() + 1, 0);  // crossings before sample t
  const float scale =
      1 / (static_cast<float>(options.n_fft) * static_cast<float>(audio.channels()));
  for (int c = 0; c < audio.channels(); ++c) {
    const float* samples = audio.channel(c);
    for (std::size_t t = 0; t < audio.frames(); ++t)
      until[t + 1] =
          until[t] + (t > 0 && (samples[t] < -kSilent) != (samples[t - 1] < -kSilent) ? 1 : 0);
    for (std::size_t n = 0; n < rates.size(); ++n) {
      // The first sample of the window crosses nothing before it.
      const std::size_t begin = n * hop < n_fft / 2 ? 0 : n * hop - n_fft / 2 + 1;
      const std::size_t end = std::min(audio.frames(), n * hop + n_fft / 2);
      if (end > begin) rates[n] += scale * static_cast<float>(until[end] - until[begin]);
    }
  }
  return rates;
}

BandEdges::BandEdges(int sample_rate_hz, int n_fft, std::size_t count)
    : bin_hz_(static_cast<double>(sample_rate_hz) / n_fft) {
  constexpr double kLowestHz = 40;
  const auto bins = static_cast<std::size_t>(n_fft / 2 + 1);
  const double octaves = std::log(std::max(2.0, 0.5 * sample_rate_hz / kLowestHz));
  edges_.push_back(0);
  for (std::size_t i = 0; i < count; ++i) {
    const double hz =
        kLowestHz * std::exp(octaves * static_cast<double>(i + 1) / static_cast<double>(count));
    const std::size_t edge = std::max(edges_.back() + 1, static_cast<std::size_t>(hz / bin_hz_));
    if (edge >= bins) break;
    edges_.push_back(edge);
  }
  edges_.back() = bins;
}

double BandEdges::CentreHz(std::size_t band) const {
  return 0.5 * bin_hz_ * static_cast<double>(begin(band) + end(band) - 1);
}

FrameTable DescribeFrames(const AudioBuffer& audio, int sample_rate_hz, const StftOptions& options,
                          const BandEdges& bands, const Host& host) {
  FrameFeatures features(sample_rate_hz, options.n_fft);
  const std::vector<float> crossings = ZeroCrossingRates(audio, options);
  const auto reader = ReaderOf(audio, sample_rate_hz);
  SpectrumReader spectra(*reader, options);
  const auto channels = static_cast<std::size_t>(audio.channels());
  std::vector<std::complex<float>> frame(channels * spectra.bins());
  std::vector<float> power(spectra.bins());
  FrameTable table;
  table.bands = bands.count();
  for (; spectra.Next(frame); ++table.frames) {
    if (table.frames % 256 == 0) StopIfAsked(host);
    for (std::size_t f = 0; f < power.size(); ++f) {
      float sum = 0;
      for (std::size_t c = 0; c < channels; ++c) sum += std::norm(frame[c * power.size() + f]);
      power[f] = sum / static_cast<float>(channels);
    }
    table.features.resize(table.features.size() + kFrameFeatures);
    features(power, crossings[table.frames], table.features.data() + table.frames * kFrameFeatures);
    for (std::size_t b = 0; b < bands.count(); ++b) {
      double sum = 0;
      for (std::size_t f = bands.begin(b); f < bands.end(b); ++f) sum += power[f];
      table.levels.push_back(Decibels(sum / static_cast<double>(bands.end(b) - bands.begin(b))));
    }
  }
  return table;
}

void DescribeBand(const FrameTable& table, std::size_t n, std::size_t band, float* row) {
  const float* levels = table.levels.data() + n * table.bands;
  row = std::copy_n(table.features.data() + n * kFrameFeatures, kFrameFeatures, row);
  float mean = 0;
  for (std::size_t b = 0; b < table.bands; ++b) mean += levels[b];
  mean /= static_cast<float>(table.bands);
  *row++ = static_cast<float>(band);
  *row++ = levels[band] - mean;
  const auto within = [](std::size_t place, int step, std::size_t count) {
    const auto moved = static_cast<std::ptrdiff_t>(place) + step;
    return static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(moved, 0, static_cast<std::ptrdiff_t>(count) - 1));
  };
  for (const int step : kOtherFrames)
    *row++ = levels[band] - table.levels[within(n, step, table.frames) * table.bands + band];
  for (const int step : kOtherBands) *row++ = levels[within(band, step, table.bands)] - mean;
}

}  // namespace stemsmith
