// A cache of noise to write, read and damage.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/random.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/cache.h"
#include "tests/support/error_of.h"
#include "tests/support/flips.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::cache_fixture {

using testing::MessageOf;
using testing::Overwrite;
using testing::TemporaryFolder;

// [S, C, frames] of numbers that int16 keeps exactly.
inline std::vector<float> Noise(int rows, std::size_t frames, std::uint64_t seed,
                                float peak = 0.9f) {
  RandomStream random({seed});
  std::vector<float> audio(rows * frames);
  for (float& sample : audio) {
    const double steps = std::floor(random.Uniform(-peak, peak) * 32768.0);
    sample = static_cast<float>(steps / 32768.0);
  }
  return audio;
}

inline constexpr CacheSampleType kAllTypes[] = {CacheSampleType::kInt16, CacheSampleType::kFloat16,
                                                CacheSampleType::kFloat32};

// Of numbers that the type keeps exactly.
inline std::vector<float> NoiseFor(CacheSampleType type, int rows, std::size_t frames,
                                   std::uint64_t seed) {
  std::vector<float> audio = Noise(rows, frames, seed);
  if (type == CacheSampleType::kFloat16) {
    for (float& sample : audio) sample = std::round(sample * 2048.0f) / 2048.0f;
  }
  return audio;
}

class CacheTest : public ::testing::Test {
 protected:
  TrackFormat Format(CacheSampleType type = CacheSampleType::kInt16) {
    TrackFormat format;
    format.stems = {"drums", "rest"};
    format.sample_type = type;
    return format;
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "cache.h5";
};

}  // namespace stemsmith::cache_fixture
