// gain: every stem is scaled by a gain of its own, uniform in dB, or uniform as a factor.
#include "augment/per_stem.h"
#include "core/decibel.h"
#include "core/error.h"

namespace stemsmith {
namespace {

struct GainOptions {
  // Wider: the model meets more kinds of balance between the stems; past ±12 dB stems drown one
  // another.
  DrawRange range_db{-6.0, 6.0};
  // In place of range_db where given: factors, as Demucs and Open-Unmix draw them.
  bool linear = false;
  DrawRange factor{0.25, 1.25};
};

class Gain : public Augmentation {
 public:
  explicit Gain(const GainOptions& options) : options_(options) {}

  bool ChangeStems(std::span<StemChange> changes, int, RandomStream& random) const override {
    for (StemChange& change : changes) {
      const double gain = options_.linear ? options_.factor.Draw(random)
                                          : GainFromDb(options_.range_db.Draw(random));
      change.factor *= static_cast<float>(gain);
    }
    return true;
  }

 private:
  GainOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeGain(const Config& config) {
  GainOptions options;
  options.linear = config.Has("factor");
  if (options.linear && config.Has("range_db"))
    throw Error::Usage("gain has both range_db and factor", config.Where("factor"),
                       "keep one of them");
  if (options.linear)
    options.factor = RangeIn(config, "factor", options.factor, {0.0, 1000.0});
  else
    options.range_db = RangeIn(config, "range_db", options.range_db, {-60.0, 60.0});
  return std::make_unique<Gain>(options);
}

}  // namespace stemsmith
