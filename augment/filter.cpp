// filter: a Butterworth low pass or high pass over a stem, 12 dB per octave for each two of its
// order.
#include <numbers>
#include <vector>

#include "augment/biquad.h"
#include "augment/per_stem.h"
#include "core/error.h"

namespace stemsmith {
namespace {

struct FilterOptions {
  double per_stem_probability = 0.5;
  double low_pass_share = 0.5;  // of the treated stems; the others get a high pass
  // Cutoffs (-3 dB), uniform in octaves. Lower low passes are duller, higher high passes thinner.
  DrawRange low_pass_hz{2000.0, 16000.0};
  DrawRange high_pass_hz{30.0, 400.0};
  std::int64_t order = 2;  // even
};

class Filter : public PerStemAugmentation {
 public:
  explicit Filter(const FilterOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    const bool low = random.Chance(options_.low_pass_share);
    const double hz = (low ? options_.low_pass_hz : options_.high_pass_hz).DrawLog(random);
    std::vector<Biquad> filters;
    for (std::int64_t section = 0; section < options_.order / 2; ++section) {
      // The poles of a Butterworth filter lie evenly on a circle, a pair to a section.
      const double angle = std::numbers::pi * static_cast<double>(2 * section + 1) /
                           static_cast<double>(2 * options_.order);
      const double q = 1.0 / (2.0 * std::sin(angle));
      filters.push_back(low ? Biquad::LowPass(hz, q, stem.sample_rate_hz)
                            : Biquad::HighPass(hz, q, stem.sample_rate_hz));
    }
    RunFilters(filters, stem);
  }

 private:
  FilterOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeFilter(const Config& config) {
  FilterOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.low_pass_share = config.NumberIn("low_pass_share", options.low_pass_share, 0.0, 1.0);
  options.low_pass_hz = RangeIn(config, "low_pass_hz", options.low_pass_hz, {10.0, 96000.0});
  options.high_pass_hz = RangeIn(config, "high_pass_hz", options.high_pass_hz, {1.0, 96000.0});
  options.order = config.IntegerIn("order", options.order, 2, 8);
  if (options.order % 2 != 0)
    throw Error::Usage("the order of a filter is even", config.Where("order"), "give 2, 4, 6 or 8");
  return std::make_unique<Filter>(options);
}

}  // namespace stemsmith
