#include "augment/stem_change.h"

#include <algorithm>
#include <vector>

namespace stemsmith {
namespace {

// Samples that stay in registers while all stems pass by: the audio is larger than the processor's
// caches, so it is read and written once.
constexpr std::int64_t kBlock = 8;

struct Stem {
  float* rows[2];        // of the channels
  const float* from[2];  // the same, or the other way round
  float factor;
  bool changed;
};

// Frames [i, i + kCount) of kRows channels.
template <int kRows, std::int64_t kCount>
void Pass(std::span<const Stem> stems, std::int64_t i, float* const (&mix)[2]) {
  float sums[kRows][kCount];
  for (std::size_t s = 0; s < stems.size(); ++s) {
    const Stem& stem = stems[s];
    float samples[kRows][kCount];
    for (int r = 0; r < kRows; ++r) std::copy_n(stem.from[r] + i, kCount, samples[r]);
    for (int r = 0; r < kRows; ++r) {
      for (std::int64_t k = 0; k < kCount; ++k) samples[r][k] *= stem.factor;
      if (stem.changed) std::copy_n(samples[r], kCount, stem.rows[r] + i);
      for (std::int64_t k = 0; k < kCount; ++k)
        sums[r][k] = s == 0 ? samples[r][k] : sums[r][k] + samples[r][k];
    }
  }
  for (int r = 0; r < kRows; ++r)
    if (mix[r] != nullptr) std::copy_n(sums[r], kCount, mix[r] + i);
}

template <int kRows>
void PassAll(std::span<const Stem> stems, std::int64_t from, std::int64_t to,
             float* const (&mix)[2]) {
  std::int64_t i = from;
  for (; i + kBlock <= to; i += kBlock) Pass<kRows, kBlock>(stems, i, mix);
  for (; i < to; ++i) Pass<kRows, 1>(stems, i, mix);
}

}  // namespace

void ChangeAndSum(const StemBlock& block, std::span<const StemChange> changes, std::int64_t from,
                  std::int64_t to, float* mix) {
  std::vector<Stem> stems;
  for (int channel = 0; channel < block.channels; channel += 2) {
    const bool pair = channel + 1 < block.channels;
    stems.clear();
    bool any = mix != nullptr;
    for (int s = 0; s < block.stems; ++s) {
      const StemChange change =
          changes.empty() ? StemChange{} : changes[static_cast<std::size_t>(s)];
      float* first = block.channel(s, channel);
      float* second = pair ? block.channel(s, channel + 1) : first;
      const bool swapped = change.swapped && channel == 0 && pair;
      any = any || swapped || change.factor != 1.0f;
      stems.push_back({.rows = {first, second},
                       .from = {swapped ? second : first, swapped ? first : second},
                       .factor = change.factor,
                       .changed = swapped || change.factor != 1.0f});
    }
    if (!any) continue;
    float* const rows[2] = {mix == nullptr ? nullptr : mix + channel * block.frames,
                            mix == nullptr || !pair ? nullptr : mix + (channel + 1) * block.frames};
    if (pair)
      PassAll<2>(stems, from, to, rows);
    else
      PassAll<1>(stems, from, to, rows);
  }
}

void Augmentation::Apply(StemBlock& block, RandomStream& random) const {
  std::vector<StemChange> changes(static_cast<std::size_t>(block.stems));
  if (ChangeStems(changes, block.channels, random))
    ChangeAndSum(block, changes, 0, block.frames, nullptr);
}

}  // namespace stemsmith
