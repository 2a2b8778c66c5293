#include "augment/per_stem.h"

#include <bit>
#include <cstdio>
#include <numeric>
#include <vector>

#include "core/error.h"

namespace stemsmith {
namespace {

std::string Short(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::int64_t Count(const StemBlock& block) {
  return static_cast<std::int64_t>(block.stems) * block.channels * block.frames;
}

}  // namespace

Range RangeIn(const Config& config, const std::string& key, Range fallback, Range limits) {
  const std::vector<double> given = config.Numbers(key, {fallback.low, fallback.high});
  // Written so that NaN is refused too.
  const bool ordered = given.size() == 2 && given[0] <= given[1];
  if (!ordered || !(given[0] >= limits.low) || !(given[1] <= limits.high))
    throw Error::Usage(key + " is not a range within its limits", config.Where(key),
                       "give two numbers within " + Short(limits.low) + " and " +
                           Short(limits.high) + ", the lower one first: [" + Short(fallback.low) +
                           ", " + Short(fallback.high) + "]");
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
