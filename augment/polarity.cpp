// polarity: all samples of a stem change their sign.
#include "augment/augment.h"

namespace stemsmith {
namespace {

struct PolarityOptions {
  // How often each stem is turned where the link acts; 1 turns all of them together, mixture
  // included.
  double per_stem_probability = 0.5;
};

class Polarity : public Augmentation {
 public:
  explicit Polarity(const PolarityOptions& options) : options_(options) {}

  bool ChangeStems(std::span<StemChange> changes, int, RandomStream& random) const override {
    for (StemChange& change : changes)
      if (random.Chance(options_.per_stem_probability)) change.factor = -change.factor;
    return true;
  }

 private:
  PolarityOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakePolarity(const Config& config) {
  PolarityOptions options;
  options.per_stem_probability =
      config.NumberIn("per_stem_probability", options.per_stem_probability, 0.0, 1.0);
  return std::make_unique<Polarity>(options);
}

}  // namespace stemsmith
