// noise: white noise is added to a stem, as recordings have it. A stem that is silent throughout
// stays so.
#include <algorithm>

#include "augment/per_stem.h"
#include "core/decibel.h"

namespace stemsmith {
namespace {

struct NoiseOptions {
  double per_stem_probability = 0.5;
  DrawRange level_db{-80.0, -50.0};  // RMS, full scale is 0; higher teaches the model to keep hiss
};

class Noise : public PerStemAugmentation {
 public:
  explicit Noise(const NoiseOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    const std::int64_t count = stem.channels * stem.frames;
    if (std::all_of(stem.data, stem.data + count, [](float sample) { return sample == 0.0f; }))
      return;
    const double level = GainFromDb(options_.level_db.Draw(random));
    // The sum of four uniform values is near enough to normal and costs one draw. A value has
    // variance 1/12 of its width squared, four of width 1 so 1/3.
    const auto factor = static_cast<float>(level * std::sqrt(3.0) / 65536.0);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t bits = random.Bits();
      const auto sum = static_cast<std::int64_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                                 (bits >> 32 & 0xffff) + (bits >> 48));
      stem.data[i] += factor * static_cast<float>(sum - 2 * 65535);
    }
  }

 private:
  NoiseOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeNoise(const Config& config) {
  NoiseOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.level_db = RangeIn(config, "level_db", options.level_db, {-160.0, 0.0});
  return std::make_unique<Noise>(options);
}

}  // namespace stemsmith
