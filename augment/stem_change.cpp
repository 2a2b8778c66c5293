#include "augment/stem_change.h"

#include <algorithm>
#include <vector>

namespace stemsmith {
namespace {

// The audio is larger than the processor's caches: it is changed and summed in stretches that stay
// in the first of them, so that it comes from memory once.
constexpr std::int64_t kStretch = 1024;

void Change(const StemBlock& block, int stem, const StemChange& change, std::int64_t from,
            std::int64_t count) {
  const float factor = change.factor;
  int channel = 0;
  if (change.swapped && block.channels > 1) {
    float* __restrict first = block.channel(stem, 0) + from;
    float* __restrict second = block.channel(stem, 1) + from;
    for (std::int64_t i = 0; i < count; ++i) {
      const float was = first[i] * factor;
      first[i] = second[i] * factor;
      second[i] = was;
    }
    channel = 2;
  }
  if (factor == 1.0f) return;
  for (; channel < block.channels; ++channel) {
    float* samples = block.channel(stem, channel) + from;
    for (std::int64_t i = 0; i < count; ++i) samples[i] *= factor;
  }
}

void Sum(const StemBlock& block, std::int64_t from, std::int64_t count, float* mix) {
  constexpr std::int64_t kBlock = 16;  // sums in registers until all stems are in
  const std::int64_t stride = block.channels * block.frames;
  for (int c = 0; c < block.channels; ++c) {
    const float* in = block.channel(0, c) + from;
    float* out = mix + c * block.frames + from;
    std::int64_t i = 0;
    for (; i + kBlock <= count; i += kBlock) {
      float sums[kBlock];
      std::copy_n(in + i, kBlock, sums);
      for (int s = 1; s < block.stems; ++s)
        for (std::int64_t k = 0; k < kBlock; ++k) sums[k] += in[s * stride + i + k];
      std::copy_n(sums, kBlock, out + i);
    }
    for (; i < count; ++i) {
      out[i] = in[i];
      for (int s = 1; s < block.stems; ++s) out[i] += in[s * stride + i];
    }
  }
}

}  // namespace

void ChangeAndSum(const StemBlock& block, std::span<const StemChange> changes, float* mix) {
  if (block.stems == 0) return;
  for (std::int64_t at = 0; at < block.frames; at += kStretch) {
    const std::int64_t count = std::min(kStretch, block.frames - at);
    for (std::size_t s = 0; s < changes.size(); ++s)
      Change(block, static_cast<int>(s), changes[s], at, count);
    if (mix != nullptr) Sum(block, at, count, mix);
  }
}

void Augmentation::Apply(StemBlock& block, RandomStream& random) const {
  std::vector<StemChange> changes(static_cast<std::size_t>(block.stems));
  if (ChangeStems(changes, block.channels, random)) ChangeAndSum(block, changes, nullptr);
}

}  // namespace stemsmith
