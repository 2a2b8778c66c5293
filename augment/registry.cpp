// The table of augmentations: a file and a row each.
#include <utility>

#include "augment/augment.h"
#include "core/error.h"

namespace stemsmith {

std::unique_ptr<Augmentation> MakeGain(const Config& config);
std::unique_ptr<Augmentation> MakeChannelSwap(const Config& config);
std::unique_ptr<Augmentation> MakePolarity(const Config& config);
std::unique_ptr<Augmentation> MakeShift(const Config& config);
std::unique_ptr<Augmentation> MakeRemix(const Config& config);

const std::vector<AugmentationRow>& AugmentationTable() {
  static const std::vector<AugmentationRow> table = {
      {"gain", "random gain per stem", MakeGain},
      {"channel_swap", "swaps left and right of a stem", MakeChannelSwap},
      {"polarity", "turns the sign of a stem", MakePolarity},
      {"shift", "moves stems in time against each other", MakeShift},
      {"remix", "takes stems from other songs", MakeRemix},
  };
  return table;
}

namespace {

// The streams of one link: whether it acts, its plan, its audio.
enum LinkStream : std::uint64_t { kActs, kPlan, kApply };

const AugmentationRow& RowFor(const Config& item) {
  const std::string name = item.RequiredString("name");
  std::vector<std::string> known;
  for (const AugmentationRow& row : AugmentationTable()) {
    if (name == row.name) return row;
    known.emplace_back(row.name);
  }
  std::string advice;
  if (const std::string nearest = NearestName(name, known); !nearest.empty())
    advice = "did you mean \"" + nearest + "\"? ";
  advice += "known are";
  for (std::size_t i = 0; i < known.size(); ++i) advice += (i == 0 ? " " : ", ") + known[i];
  throw Error::Usage("unknown augmentation \"" + name + "\"", item.Where("name"), advice);
}

}  // namespace

AugmentChain::AugmentChain(const std::vector<Config>& items) {
  for (const Config& item : items) {
    const AugmentationRow& row = RowFor(item);
    const double probability = item.NumberIn("probability", 1.0, 0.0, 1.0);
    Add(row.name, probability, row.make(item));
  }
}

void AugmentChain::Add(std::string name, double probability,
                       std::shared_ptr<const Augmentation> augmentation) {
  links_.push_back({std::move(name), probability, std::move(augmentation)});
}

void AugmentChain::Plan(ReadPlan& plan, const TrackTable& tracks,
                        const RandomStream& random) const {
  for (std::size_t k = 0; k < links_.size(); ++k) {
    const RandomStream link = random.Fork(k);
    if (!link.Fork(kActs).Chance(links_[k].probability)) continue;
    RandomStream draws = link.Fork(kPlan);
    links_[k].augmentation->Plan(plan, tracks, draws);
  }
}

void AugmentChain::Apply(StemBlock& block, const RandomStream& random) const {
  for (std::size_t k = 0; k < links_.size(); ++k) {
    const RandomStream link = random.Fork(k);
    if (!link.Fork(kActs).Chance(links_[k].probability)) continue;
    RandomStream draws = link.Fork(kApply);
    links_[k].augmentation->Apply(block, draws);
  }
}

}  // namespace stemsmith
