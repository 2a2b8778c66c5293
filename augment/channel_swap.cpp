// channel_swap: left and right of a stem change places.
#include <algorithm>

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

  void Apply(StemBlock& block, RandomStream& random) const override {
    if (block.channels < 2) return;
    for (int s = 0; s < block.stems; ++s) {
      if (!random.Chance(options_.per_stem_probability)) continue;
      std::swap_ranges(block.channel(s, 0), block.channel(s, 0) + block.frames,
                       block.channel(s, 1));
    }
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
