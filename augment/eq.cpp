// eq: parametric bands over a stem: the lowest one a low shelf, the highest one a high shelf, peaks
// between; drawn again for each stem.
#include <vector>

#include "augment/biquad.h"
#include "augment/per_stem.h"

namespace stemsmith {
namespace {

struct EqOptions {
  double per_stem_probability = 0.5;
  std::int64_t bands = 3;  // of these the outer two are shelves; 1 is a peak
  // Wider: sounds further from those recorded; past ±12 dB instruments are hard to recognise.
  DrawRange gain_db{-6.0, 6.0};
  // Cut into as many equal parts (in octaves) as there are bands, one centre drawn from each.
  DrawRange frequency_hz{60.0, 12000.0};
  DrawRange q{0.5, 1.5};  // higher is narrower
};

class Eq : public PerStemAugmentation {
 public:
  explicit Eq(const EqOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    const double octaves = options_.frequency_hz.high / options_.frequency_hz.low;
    std::vector<Biquad> filters;
    for (std::int64_t band = 0; band < options_.bands; ++band) {
      const double place =
          (static_cast<double>(band) + random.Uniform()) / static_cast<double>(options_.bands);
      const double frequency_hz = options_.frequency_hz.low * std::pow(octaves, place);
      const double gain_db = options_.gain_db.Draw(random);
      const double q = options_.q.DrawLog(random);
      filters.push_back(Make(band, frequency_hz, gain_db, q, stem.sample_rate_hz));
    }
    RunFilters(filters, stem);
  }

 private:
  Biquad Make(std::int64_t band, double frequency_hz, double gain_db, double q, int rate) const {
    if (options_.bands > 1 && band == 0) return Biquad::LowShelf(frequency_hz, gain_db, q, rate);
    if (options_.bands > 1 && band == options_.bands - 1)
      return Biquad::HighShelf(frequency_hz, gain_db, q, rate);
    return Biquad::Peak(frequency_hz, gain_db, q, rate);
  }

  EqOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeEq(const Config& config) {
  EqOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.bands = config.IntegerIn("bands", options.bands, 1, 16);
  options.gain_db = RangeIn(config, "gain_db", options.gain_db, {-40.0, 40.0});
  options.frequency_hz = RangeIn(config, "frequency_hz", options.frequency_hz, {10.0, 96000.0});
  options.q = RangeIn(config, "q", options.q, {0.1, 20.0});
  return std::make_unique<Eq>(options);
}

}  // namespace stemsmith
