// The table of augmentations: a file and a row each.
#include <algorithm>
#include <utility>

#include "augment/stem_change.h"
#include "core/names.h"

namespace stemsmith {

std::unique_ptr<Augmentation> MakeGain(const Config& config);
std::unique_ptr<Augmentation> MakeChannelSwap(const Config& config);
std::unique_ptr<Augmentation> MakePolarity(const Config& config);
std::unique_ptr<Augmentation> MakeShift(const Config& config);
std::unique_ptr<Augmentation> MakeRemix(const Config& config);
std::unique_ptr<Augmentation> MakeRemixBatch(const Config& config);
std::unique_ptr<Augmentation> MakeMixup(const Config& config);
std::unique_ptr<Augmentation> MakePitchTempo(const Config& config);
std::unique_ptr<Augmentation> MakeEq(const Config& config);
std::unique_ptr<Augmentation> MakeFilter(const Config& config);
std::unique_ptr<Augmentation> MakeReverb(const Config& config);
std::unique_ptr<Augmentation> MakeCompression(const Config& config);
std::unique_ptr<Augmentation> MakeDrive(const Config& config);
std::unique_ptr<Augmentation> MakeCodec(const Config& config);
std::unique_ptr<Augmentation> MakeNoise(const Config& config);
std::unique_ptr<Augmentation> MakeWidth(const Config& config);
std::unique_ptr<Augmentation> MakeStemDropout(const Config& config);

const std::vector<AugmentationRow>& AugmentationTable() {
  static const std::vector<AugmentationRow> table = {
      {"gain", "random gain per stem", MakeGain},
      {"channel_swap", "swaps left and right of a stem", MakeChannelSwap},
      {"polarity", "turns the sign of a stem", MakePolarity},
      {"shift", "moves stems in time against each other", MakeShift},
      {"remix", "takes stems from other songs", MakeRemix},
      {"remix_batch", "trades stems among the samples of a group", MakeRemixBatch},
      {"mixup", "adds the same stem of another song", MakeMixup},
      {"pitch_tempo", "changes pitch and tempo of all stems alike", MakePitchTempo},
      {"eq", "boosts and cuts bands of a stem", MakeEq},
      {"filter", "low or high pass over a stem", MakeFilter},
      {"reverb", "puts a stem into a synthetic room", MakeReverb},
      {"compression", "evens out the loudness of a stem", MakeCompression},
      {"drive", "saturates a stem", MakeDrive},
      {"codec", "sends a stem through mp3 or AAC and back", MakeCodec},
      {"noise", "adds a noise floor to a stem", MakeNoise},
      {"width", "narrows or widens a stem's stereo image", MakeWidth},
      {"stem_dropout", "silences stems", MakeStemDropout},
  };
  return table;
}

namespace {

// The streams of one link: whether it acts; what it draws, in its plan and again in its audio.
enum LinkStream : std::uint64_t { kActs, kDraws };

}  // namespace

AugmentChain::AugmentChain(const std::vector<Config>& items) {
  for (const Config& item : items) {
    const AugmentationRow& row = FindRow(AugmentationTable(), item.RequiredString("name"),
                                         "augmentation", item.Where("name"));
    const double probability = item.NumberIn("probability", 1.0, 0.0, 1.0);
    Add(row.name, probability, row.make(item));
  }
}

void AugmentChain::Add(std::string name, double probability,
                       std::shared_ptr<const Augmentation> augmentation) {
  links_.push_back({std::move(name), probability, std::move(augmentation)});
}

void AugmentChain::CheckStems(const std::vector<std::string>& stems) const {
  for (const Link& link : links_) link.augmentation->CheckStems(stems);
}

void AugmentChain::Plan(ReadPlan& plan, const TrackTable& tracks,
                        const RandomStream& random) const {
  for (std::size_t k = 0; k < links_.size(); ++k) {
    const RandomStream link = random.Fork(k);
    if (!link.Fork(kActs).Chance(links_[k].probability)) continue;
    RandomStream draws = link.Fork(kDraws);
    links_[k].augmentation->Plan(plan, tracks, draws);
  }
}

std::optional<std::vector<StemChange>> AugmentChain::ChangesAlone(
    int stems, int channels, const RandomStream& random) const {
  std::vector<StemChange> changes(static_cast<std::size_t>(stems));
  for (std::size_t k = 0; k < links_.size(); ++k) {
    const RandomStream link = random.Fork(k);
    if (!link.Fork(kActs).Chance(links_[k].probability)) continue;
    RandomStream draws = link.Fork(kDraws);
    if (!links_[k].augmentation->ChangeStems(changes, channels, draws)) return std::nullopt;
  }
  return changes;
}

std::vector<StemChange> AugmentChain::ApplyBeforeChanges(StemBlock& block,
                                                         const RandomStream& random) const {
  std::vector<StemChange> changes(static_cast<std::size_t>(block.stems));
  for (std::size_t k = 0; k < links_.size(); ++k) {
    const RandomStream link = random.Fork(k);
    if (!link.Fork(kActs).Chance(links_[k].probability)) continue;
    RandomStream draws = link.Fork(kDraws);
    if (links_[k].augmentation->ChangeStems(changes, block.channels, draws)) continue;
    ChangeAndSum(block, changes, nullptr);
    std::fill(changes.begin(), changes.end(), StemChange{});
    links_[k].augmentation->Apply(block, draws);
  }
  return changes;
}

void AugmentChain::Apply(StemBlock& block, const RandomStream& random) const {
  const std::vector<StemChange> changes = ApplyBeforeChanges(block, random);
  ChangeAndSum(block, changes, nullptr);
}

}  // namespace stemsmith
