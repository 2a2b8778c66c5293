// mixup: a stem gets more of its kind: the same stem of another place in the split is added to it.
#include "augment/per_stem.h"

namespace stemsmith {
namespace {

struct MixupOptions {
  double per_stem_probability = 0.5;
  Range gain_db{-12.0, 0.0};  // of what is added
};

class Mixup : public Augmentation {
 public:
  explicit Mixup(const MixupOptions& options) : options_(options) {}

  void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const override {
    for (std::size_t s = 0; s < plan.stems.size(); ++s) {
      RandomStream draws = random.Fork(s);
      if (!draws.Chance(options_.per_stem_probability)) continue;
      const ReadPlan::Piece piece = tracks.Draw(plan.frames, draws);
      const auto factor = static_cast<float>(FromDecibel(options_.gain_db.Draw(draws)));
      plan.extras.push_back({.stem = s, .piece = piece, .factor = factor});
    }
  }

 private:
  MixupOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeMixup(const Config& config) {
  MixupOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.gain_db = RangeIn(config, "gain_db", options.gain_db, {-60.0, 20.0});
  return std::make_unique<Mixup>(options);
}

}  // namespace stemsmith
