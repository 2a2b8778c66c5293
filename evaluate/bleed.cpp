// Bleedless and fullness of Music-Source-Separation-Training: where the mel spectrum of the
// estimate, in dB and at most 80 dB below its loudest point, lies above that of the reference, and
// where below.
#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluate/mel.h"
#include "evaluate/spectral_metric.h"

namespace stemsmith {
namespace {

constexpr int kFftSize = 4096, kHop = 1024, kMels = 512;
constexpr float kRangeDb = 80;

float Db(float magnitude) { return 20 * std::log10(std::max(magnitude, 1e-10f)); }

class Bleed : public SpectralMetric {
 public:
  Bleed(int sample_rate_hz, int channels, bool above)
      : SpectralMetric(channels, {.n_fft = kFftSize, .hop = kHop, .edge = MetricEdge::kZeros}),
        mel_(sample_rate_hz, kFftSize, kMels),
        above_(above) {}
  int passes() const override { return 2; }  // the first finds the loudest points
  void AddFrame(const std::vector<float>& reference, const std::vector<float>& estimate) override {
    mel_(reference, references_);
    mel_(estimate, estimates_);
    for (std::size_t m = 0; m < references_.size(); ++m) {
      if (pass_ == 0) {
        loudest_reference_ = std::max(loudest_reference_, references_[m]);
        loudest_estimate_ = std::max(loudest_estimate_, estimates_[m]);
        continue;
      }
      const double difference =
          std::max(Db(estimates_[m]), Db(loudest_estimate_) - kRangeDb) -
          static_cast<double>(std::max(Db(references_[m]), Db(loudest_reference_) - kRangeDb));
      if (above_ ? difference <= 0 : difference >= 0) continue;
      sum_ += std::abs(difference);
      ++count_;
    }
    frames_ = true;
  }
  void EndSpectralPass() override { ++pass_; }
  double Value() const override {
    if (!frames_) return std::numeric_limits<double>::quiet_NaN();
    return 100 / (1 + (count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_)));
  }

 private:
  const MelFilters mel_;
  const bool above_;
  int pass_ = 0;
  bool frames_ = false;
  float loudest_reference_ = 0, loudest_estimate_ = 0;
  std::vector<float> references_, estimates_;
  double sum_ = 0;
  long long count_ = 0;
};

}  // namespace

std::unique_ptr<SongMetric> MakeBleedless(int sample_rate_hz, int channels) {
  return std::make_unique<Bleed>(sample_rate_hz, channels, /*above=*/true);
}
std::unique_ptr<SongMetric> MakeFullness(int sample_rate_hz, int channels) {
  return std::make_unique<Bleed>(sample_rate_hz, channels, /*above=*/false);
}

}  // namespace stemsmith
