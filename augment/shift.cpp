// shift: every stem is read from a little earlier or later, so that real audio comes in at the
// ends. At the ends of a track the shift is drawn from what the track still has.
#include <algorithm>
#include <cmath>

#include "augment/augment.h"

namespace stemsmith {
namespace {

struct ShiftOptions {
  // The largest shift to either side. More breaks up the beat that stems share; 0 does nothing.
  double max_seconds = 1.0;
};

class Shift : public PlanAugmentation {
 public:
  explicit Shift(const ShiftOptions& options) : options_(options) {}

  void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const override {
    const std::int64_t reach = std::llround(options_.max_seconds * tracks.sample_rate_hz());
    for (ReadPlan::Piece& piece : plan.stems) {
      const std::int64_t low =
          std::max(piece.start_frame - reach, tracks.FirstStart(piece.track, plan.frames));
      const std::int64_t high =
          std::min(piece.start_frame + reach, tracks.LastStart(piece.track, plan.frames));
      if (low > high) continue;  // the segment already lies outside the track
      piece.start_frame =
          low + static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(high - low + 1)));
    }
  }

 private:
  ShiftOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeShift(const Config& config) {
  ShiftOptions options;
  options.max_seconds = config.NumberIn("max_seconds", options.max_seconds, 0.0, 60.0);
  return std::make_unique<Shift>(options);
}

}  // namespace stemsmith
