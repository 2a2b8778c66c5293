// remix_batch: the samples of a group trade their stems, so that each stem of each sample is still
// heard once, in another mixture (Défossez et al. 2021, arXiv:1911.13254; Demucs' Remix).
//
// A group is group_size samples whose indices in the epoch follow each other, over all ranks. The
// trade is a permutation for each stem, drawn from a stream that the epoch's samples share: every
// sample finds out by itself what it gets, whoever makes the others.
#include <algorithm>
#include <numeric>
#include <vector>

#include "augment/augment.h"

namespace stemsmith {
namespace {

struct RemixBatchOptions {
  // Larger: fewer stems stay together. In Demucs a divisor of the batch size; here any number.
  std::int64_t group_size = 4;
};

constexpr std::uint64_t kRemixBatchStream = 0x72656d6978;

class RemixBatch : public PlanAugmentation {
 public:
  explicit RemixBatch(const RemixBatchOptions& options) : options_(options) {}

  void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const override {
    if (plan.epoch == nullptr) return;
    const std::int64_t group = plan.index / options_.group_size;
    const std::int64_t begin = group * options_.group_size;
    // The last group of an epoch may be smaller.
    const std::int64_t size = std::min(options_.group_size, plan.epoch->size() - begin);
    RandomStream shared =
        plan.epoch->SharedStream().Fork(kRemixBatchStream).Fork(static_cast<std::uint64_t>(group));
    std::vector<std::int64_t> order(static_cast<std::size_t>(size));
    for (std::size_t s = 0; s < plan.stems.size(); ++s) {
      std::iota(order.begin(), order.end(), begin);
      Shuffle(order, shared);
      plan.stems[s] = plan.epoch->PieceOf(order[static_cast<std::size_t>(plan.index - begin)], s);
    }
  }

 private:
  RemixBatchOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeRemixBatch(const Config& config) {
  RemixBatchOptions options;
  options.group_size = config.IntegerIn("group_size", options.group_size, 2, 65536);
  return std::make_unique<RemixBatch>(options);
}

}  // namespace stemsmith
