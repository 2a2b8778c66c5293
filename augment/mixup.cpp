// mixup: a stem gets more of its kind: the same stem of another place in the split is added to it.
#include "augment/per_stem.h"
#include "core/decibel.h"

namespace stemsmith {
namespace {

struct MixupOptions {
  DrawRange gain_db{-12.0, 0.0};  // of what is added
};

class Mixup : public PlanAugmentation {
 public:
  Mixup(const StemChances& chances, const MixupOptions& options)
      : chances_(chances), options_(options) {}

  void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const override {
    for (std::size_t s = 0; s < plan.stems.size(); ++s) {
      RandomStream draws = random.Fork(s);
      if (!draws.Chance(chances_.Of(s, tracks))) continue;
      const ReadPlan::Piece piece = tracks.Draw(plan.frames, draws);
      const auto factor = static_cast<float>(GainFromDb(options_.gain_db.Draw(draws)));
      plan.extras.push_back({.stem = s, .piece = piece, .factor = factor});
    }
  }
  void CheckStems(const std::vector<std::string>& stems) const override { chances_.Check(stems); }

 private:
  StemChances chances_;
  MixupOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeMixup(const Config& config) {
  MixupOptions options;
  options.gain_db = RangeIn(config, "gain_db", options.gain_db, {-60.0, 20.0});
  return std::make_unique<Mixup>(StemChances(config, 0.5), options);
}

}  // namespace stemsmith
