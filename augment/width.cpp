// width: the side signal (left - right) / 2 of a stereo stem is scaled, its middle kept. Stems of
// one channel or more than two are left alone.
#include "augment/per_stem.h"

namespace stemsmith {
namespace {

struct WidthOptions {
  double per_stem_probability = 0.5;
  DrawRange side{0.0, 1.5};  // factor: 0 is mono, 1 changes nothing, 2 doubles what differs
};

class Width : public PerStemAugmentation {
 public:
  explicit Width(const WidthOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    const auto factor = static_cast<float>(options_.side.Draw(random));
    if (stem.channels != 2) return;
    float* left = stem.channel(0, 0);
    float* right = stem.channel(0, 1);
    for (std::int64_t i = 0; i < stem.frames; ++i) {
      const float middle = 0.5f * (left[i] + right[i]);
      const float side = 0.5f * factor * (left[i] - right[i]);
      left[i] = middle + side;
      right[i] = middle - side;
    }
  }

 private:
  WidthOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeWidth(const Config& config) {
  WidthOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.side = RangeIn(config, "side", options.side, {0.0, 4.0});
  return std::make_unique<Width>(options);
}

}  // namespace stemsmith
