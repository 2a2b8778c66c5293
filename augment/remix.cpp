// remix: stems come from any song of the split, each from a place of its own (uniform in time).
#include "augment/augment.h"

namespace stemsmith {
namespace {

struct RemixOptions {
  // How often each stem is taken from elsewhere where the link acts. At 1 no two stems belong
  // together; lower leaves some of the song's own harmony and rhythm in place.
  double per_stem_probability = 1.0;
};

class Remix : public Augmentation {
 public:
  explicit Remix(const RemixOptions& options) : options_(options) {}

  void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const override {
    for (ReadPlan::Piece& piece : plan.stems) {
      const bool elsewhere = random.Chance(options_.per_stem_probability);
      const ReadPlan::Piece drawn = tracks.Draw(plan.frames, random);
      if (elsewhere) piece = drawn;
    }
  }

 private:
  RemixOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeRemix(const Config& config) {
  RemixOptions options;
  options.per_stem_probability =
      config.NumberIn("per_stem_probability", options.per_stem_probability, 0.0, 1.0);
  return std::make_unique<Remix>(options);
}

}  // namespace stemsmith
