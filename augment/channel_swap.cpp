// channel_swap: left and right of a stem change places.
#include "augment/augment.h"

namespace stemsmith {
namespace {

struct ChannelSwapOptions {
  // How often each stem is swapped where the link acts; 1 swaps all of them together.
  double per_stem_probability = 0.5;
};

class ChannelSwap : public Augmentation {
 public:
  explicit ChannelSwap(const ChannelSwapOptions& options) : options_(options) {}

  bool ChangeStems(std::span<StemChange> changes, int channels,
                   RandomStream& random) const override {
    if (channels < 2) return true;
    for (StemChange& change : changes)
      if (random.Chance(options_.per_stem_probability)) change.swapped = !change.swapped;
    return true;
  }

 private:
  ChannelSwapOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeChannelSwap(const Config& config) {
  ChannelSwapOptions options;
  options.per_stem_probability =
      config.NumberIn("per_stem_probability", options.per_stem_probability, 0.0, 1.0);
  return std::make_unique<ChannelSwap>(options);
}

}  // namespace stemsmith
