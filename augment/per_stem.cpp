#include "augment/per_stem.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace stemsmith {
namespace {

std::int64_t Count(const StemBlock& block) {
  return static_cast<std::int64_t>(block.stems) * block.channels * block.frames;
}

}  // namespace

DrawRange RangeIn(const Config& config, const std::string& key, DrawRange fallback,
                  DrawRange limits) {
  const std::vector<double> given = config.Numbers(key, {fallback.low, fallback.high});
  // Written so that NaN is refused too.
  const bool ordered = given.size() == 2 && given[0] <= given[1];
  if (!ordered || !(given[0] >= limits.low) || !(given[1] <= limits.high))
    throw Error::Usage(key + " is not a range within its limits", config.Where(key),
                       "give two numbers within " + Formatted("%g", limits.low) + " and " +
                           Formatted("%g", limits.high) + ", the lower one first: [" +
                           Formatted("%g", fallback.low) + ", " + Formatted("%g", fallback.high) +
                           "]");
  return {given[0], given[1]};
}

void PerStemAugmentation::Apply(StemBlock& block, RandomStream& random) const {
  for (int s = 0; s < block.stems; ++s) {
    // A stream each: what one stem draws does not change the others.
    RandomStream draws = random.Fork(static_cast<std::uint64_t>(s));
    if (!draws.Chance(per_stem_probability_)) continue;
    StemBlock stem = block;
    stem.data = block.channel(s, 0);
    stem.stems = 1;
    ApplyTo(stem, draws);
  }
}

double PerStemProbability(const Config& config, double fallback) {
  return config.NumberIn("per_stem_probability", fallback, 0.0, 1.0);
}

StemChances::StemChances(const Config& config, double fallback) : others_(fallback) {
  constexpr char kKey[] = "per_stem_probability";
  if (!config.Has(kKey) || !config.Value(kKey).IsMap()) {
    others_ = PerStemProbability(config, fallback);
    return;
  }
  const Config map = config.Child(kKey);
  for (const std::string& stem : map.Keys())
    named_.push_back({stem, map.Where(stem), map.NumberIn(stem, fallback, 0.0, 1.0)});
}

double StemChances::Of(std::size_t stem, const TrackTable& tracks) const {
  if (named_.empty() || stem >= tracks.stems().size()) return others_;
  for (const Named& named : named_)
    if (named.stem == tracks.stems()[stem]) return named.probability;
  return others_;
}

void StemChances::Check(const std::vector<std::string>& stems) const {
  for (const Named& named : named_) {
    if (std::find(stems.begin(), stems.end(), named.stem) != stems.end()) continue;
    std::string advice = "the cache has";
    for (std::size_t i = 0; i < stems.size(); ++i) advice += (i == 0 ? " " : ", ") + stems[i];
    throw Error::Usage("per_stem_probability names a stem \"" + named.stem + "\" that is not there",
                       named.where, advice);
  }
}

double RootMeanSquare(const StemBlock& block) {
  const std::int64_t count = Count(block);
  if (count == 0) return 0.0;
  // Sums side by side: one would wait for itself at every sample.
  constexpr std::int64_t kSums = 8;
  std::array<double, kSums> sums{};
  std::int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (std::int64_t k = 0; k < kSums; ++k) {
      const auto sample = static_cast<double>(block.data[i + k]);
      sums[static_cast<std::size_t>(k)] += sample * sample;
    }
  }
  for (; i < count; ++i) sums[0] += static_cast<double>(block.data[i]) * block.data[i];
  return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(count));
}

float Peak(const StemBlock& block) {
  const std::int64_t count = Count(block);
  // Magnitudes of floats are ordered as their bits are; the largest of integers vectorises.
  std::int32_t peak = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t magnitude = std::bit_cast<std::int32_t>(block.data[i]) & 0x7fffffff;
    peak = magnitude > peak ? magnitude : peak;
  }
  return std::bit_cast<float>(peak);
}

void Scale(const StemBlock& block, double factor) {
  const std::int64_t count = Count(block);
  for (std::int64_t i = 0; i < count; ++i) block.data[i] *= static_cast<float>(factor);
}

}  // namespace stemsmith
