// Distances of spectra: log-spectral distance (Gray, Markel: Distance measures for speech
// processing, 1976), its mean absolute form, and the L1 of magnitudes of
// Music-Source-Separation-Training.
#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluate/spectral_metric.h"

namespace stemsmith {
namespace {

constexpr float kFloor = 1e-5f;  // of a magnitude: 100 dB below a full-scale sample

class LogSpectra : public SpectralMetric {
 public:
  LogSpectra(int channels, bool square) : SpectralMetric(channels, {.hop = 512}), square_(square) {}
  void AddFrame(const std::vector<float>& reference, const std::vector<float>& estimate) override {
    double sum = 0;
    for (std::size_t f = 0; f < reference.size(); ++f) {
      const double difference =
          20 * std::log10(std::max(reference[f], kFloor) / std::max(estimate[f], kFloor));
      sum += square_ ? difference * difference : std::abs(difference);
    }
    sum /= static_cast<double>(reference.size());
    sum_ += square_ ? std::sqrt(sum) : sum;
    ++frames_;
  }
  double Value() const override {
    return frames_ == 0 ? std::numeric_limits<double>::quiet_NaN() : sum_ / frames_;
  }

 private:
  const bool square_;
  double sum_ = 0;
  int frames_ = 0;
};

class L1Freq : public SpectralMetric {
 public:
  explicit L1Freq(int channels) : SpectralMetric(channels, {.window = StftWindow::kRectangular}) {}
  void AddFrame(const std::vector<float>& reference, const std::vector<float>& estimate) override {
    for (std::size_t f = 0; f < reference.size(); ++f)
      sum_ += std::abs(static_cast<double>(reference[f]) - estimate[f]);
    count_ += static_cast<double>(reference.size());
  }
  double Value() const override {
    if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
    return 100 / (1 + 10 * sum_ / count_);
  }

 private:
  double sum_ = 0, count_ = 0;
};

}  // namespace

std::unique_ptr<SongMetric> MakeLogSpectralDistance(int, int channels) {
  return std::make_unique<LogSpectra>(channels, /*square=*/true);
}
std::unique_ptr<SongMetric> MakeLogSpectralL1(int, int channels) {
  return std::make_unique<LogSpectra>(channels, /*square=*/false);
}
std::unique_ptr<SongMetric> MakeL1Freq(int, int channels) {
  return std::make_unique<L1Freq>(channels);
}

}  // namespace stemsmith
