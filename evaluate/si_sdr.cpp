// Scale-invariant SDR (Le Roux, Wisdom, Erdogan, Hershey: SDR – half-baked or well done?, 2019):
// one factor for all channels together, and no mean is subtracted.
#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluate/song_metric.h"

namespace stemsmith {
namespace {

class SiSdr : public SongMetric {
 public:
  explicit SiSdr(int channels) : channels_(channels) {}
  void Add(const float* const* reference, const float* const* estimate,
           std::size_t frames) override {
    for (int c = 0; c < channels_; ++c) {
      for (std::size_t t = 0; t < frames; ++t) {
        const double r = reference[c][t], e = estimate[c][t];
        references_ += r * r;
        estimates_ += e * e;
        products_ += r * e;
      }
    }
  }
  double Value() const override {
    if (references_ <= 0 || estimates_ <= 0) return std::numeric_limits<double>::quiet_NaN();
    const double target = products_ * products_ / references_;
    return 10 * std::log10(target / std::max(0.0, estimates_ - target));
  }

 private:
  const int channels_;
  double references_ = 0, estimates_ = 0, products_ = 0;
};

}  // namespace

std::unique_ptr<SongMetric> MakeSiSdr(int, int channels) {
  return std::make_unique<SiSdr>(channels);
}

}  // namespace stemsmith
