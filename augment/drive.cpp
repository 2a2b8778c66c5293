// drive: a stem is bent by tanh, as an overdriven amplifier does: y = p · tanh(g·x / p) / tanh(g),
// with p the stem's peak in the sample, so that the effect does not depend on its level and the
// peak stays where it is.
#include <algorithm>

#include "augment/fast_math.h"
#include "augment/per_stem.h"
#include "core/decibel.h"

namespace stemsmith {
namespace {

struct DriveOptions {
  double per_stem_probability = 0.5;
  // g in dB. Below 0 hardly audible; 20 and more squares the waves.
  DrawRange drive_db{0.0, 15.0};
};

class Drive : public PerStemAugmentation {
 public:
  explicit Drive(const DriveOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    const double drive = GainFromDb(options_.drive_db.Draw(random));
    const std::int64_t count = stem.channels * stem.frames;
    const float peak = Peak(stem);
    if (!(peak > 0.0f)) return;
    const auto in = static_cast<float>(drive / static_cast<double>(peak));
    const auto out = static_cast<float>(static_cast<double>(peak) / std::tanh(drive));
    // A peak near the smallest float would make the factor infinite: such a stem is silence.
    if (!std::isfinite(in)) return;
    for (std::int64_t i = 0; i < count; ++i) stem.data[i] = out * FastTanh(in * stem.data[i]);
  }

 private:
  DriveOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeDrive(const Config& config) {
  DriveOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.drive_db = RangeIn(config, "drive_db", options.drive_db, {-40.0, 60.0});
  return std::make_unique<Drive>(options);
}

}  // namespace stemsmith
