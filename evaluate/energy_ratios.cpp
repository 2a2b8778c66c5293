// Ratios of energies of whole songs: SNR, nSDR of the Music Demixing Challenge (Mitsufuji et al.,
// 2022) and the SDR of Music-Source-Separation-Training, which differ in what is added so that
// silence has a figure.
#include <cmath>

#include "evaluate/metrics.h"
#include "evaluate/song_metric.h"

namespace stemsmith {
namespace {

class EnergyRatio : public SongMetric {
 public:
  EnergyRatio(int channels, double added) : channels_(channels), added_(added) {}
  void Add(const float* const* reference, const float* const* estimate,
           std::size_t frames) override {
    for (int c = 0; c < channels_; ++c) sums_.Add({reference[c], frames}, {estimate[c], frames});
  }
  double Value() const override {
    if (added_ == 0) return sums_.Db();
    return 10 * std::log10((sums_.signal + added_) / (sums_.error + added_));
  }

 private:
  const int channels_;
  const double added_;
  Distortion sums_;
};

}  // namespace

std::unique_ptr<SongMetric> MakeSnr(int, int channels) {
  return std::make_unique<EnergyRatio>(channels, 0);
}
std::unique_ptr<SongMetric> MakeNsdr(int, int channels) {
  return std::make_unique<EnergyRatio>(channels, 1e-7);
}
std::unique_ptr<SongMetric> MakeMsstSdr(int, int channels) {
  return std::make_unique<EnergyRatio>(channels, 1e-8);
}

}  // namespace stemsmith
