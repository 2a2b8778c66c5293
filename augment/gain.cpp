// gain: every stem is scaled by a gain of its own, uniform in dB.
#include <cmath>
#include <vector>

#include "augment/augment.h"
#include "core/error.h"

namespace stemsmith {
namespace {

struct GainOptions {
  // Wider: the model meets more kinds of balance between the stems; past ±12 dB stems drown one
  // another.
  double low_db = -6.0, high_db = 6.0;
};

class Gain : public Augmentation {
 public:
  explicit Gain(const GainOptions& options) : options_(options) {}

  void Apply(StemBlock& block, RandomStream& random) const override {
    for (int s = 0; s < block.stems; ++s) {
      const double gain_db = random.Uniform(options_.low_db, options_.high_db);
      const auto factor = static_cast<float>(std::pow(10.0, gain_db / 20.0));
      float* samples = block.channel(s, 0);
      const std::int64_t count = block.channels * block.frames;
      for (std::int64_t i = 0; i < count; ++i) samples[i] *= factor;
    }
  }

 private:
  GainOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeGain(const Config& config) {
  GainOptions options;
  const std::vector<double> range = config.Numbers("range_db", {options.low_db, options.high_db});
  // Written so that NaN is refused too.
  const bool ordered = range.size() == 2 && range[0] <= range[1];
  if (!ordered || !(range[0] >= -60.0) || !(range[1] <= 60.0))
    throw Error::Usage("range_db is not a range of gains", config.Where("range_db"),
                       "give two numbers within -60 and 60, the lower one first: [-6, 6]");
  options.low_db = range[0];
  options.high_db = range[1];
  return std::make_unique<Gain>(options);
}

}  // namespace stemsmith
