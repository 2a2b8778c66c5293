// Interleaved frames, as they lie in a chunk of the cache, into planar rows of floats. Vectorised
// on any processor, without flags of the build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stemsmith {

// What Deinterleave may read beyond the last sample it needs.
inline constexpr std::size_t kDeinterleaveSlackBytes = 16;

// The most channels that sums are made of.
inline constexpr int kMostSummedChannels = 2;

// Where a column goes.
struct ColumnTarget {
  float* out = nullptr;  // its row
  float factor = 1.0f;   // of its samples
  int channel = 0;       // of the sums that it is part of
};

// Columns first, first + 1, … of `frames` frames that are `columns` samples wide: each times its
// factor into its row. `sums`, where given, has a row for each channel, at most
// kMostSummedChannels: it gets the sum of the rows of this channel, in their order.
void Deinterleave(const std::int16_t* in, int columns, int first,
                  std::span<const ColumnTarget> targets, std::int64_t frames,
                  std::span<float* const> sums = {});
// The same of IEEE float16, given as bits; finite numbers only.
void DeinterleaveHalves(const std::uint16_t* in, int columns, int first,
                        std::span<const ColumnTarget> targets, std::int64_t frames,
                        std::span<float* const> sums = {});
void Deinterleave(const float* in, int columns, int first, std::span<const ColumnTarget> targets,
                  std::int64_t frames, std::span<float* const> sums = {});

}  // namespace stemsmith
