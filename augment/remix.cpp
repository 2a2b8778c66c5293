// remix: stems come from any song of the split, each from a place of its own (uniform in time).
#include "augment/per_stem.h"

namespace stemsmith {
namespace {

class Remix : public PlanAugmentation {
 public:
  // How often each stem is taken from elsewhere where the link acts. At 1 no two stems belong
  // together; lower leaves some of the song's own harmony and rhythm in place.
  explicit Remix(const Config& config) : chances_(config, 1.0) {}

  void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const override {
    for (std::size_t s = 0; s < plan.stems.size(); ++s) {
      const bool elsewhere = random.Chance(chances_.Of(s, tracks));
      const ReadPlan::Piece drawn = tracks.Draw(plan.frames, random);
      if (elsewhere) plan.stems[s] = drawn;
    }
  }
  void CheckStems(const std::vector<std::string>& stems) const override { chances_.Check(stems); }

 private:
  StemChances chances_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeRemix(const Config& config) {
  return std::make_unique<Remix>(config);
}

}  // namespace stemsmith
