// Interleaved samples of a chunk of the cache into planar rows of floats. Vectorised on any
// processor, without flags of the build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stemsmith {

// What Deinterleave may read beyond the last sample it needs.
inline constexpr std::size_t kDeinterleaveSlackBytes = 16;

// Where the columns of some frames go: each into its row, times a factor.
struct Rows {
  std::span<float* const> out;  // a row per column
  float factor = 1.0f;
  // Where not empty, the samples of a column are part of a sum besides: begin it or, with
  // `add_to_sums`, are added to it.
  std::span<float* const> sums;  // a row per column
  bool add_to_sums = false;
};

// `frames` frames of as many columns as there are rows.
void Deinterleave(const std::int16_t* in, std::int64_t frames, const Rows& rows);
// The same of IEEE float16, given as bits; finite numbers only.
void DeinterleaveHalves(const std::uint16_t* in, std::int64_t frames, const Rows& rows);
void Deinterleave(const float* in, std::int64_t frames, const Rows& rows);

}  // namespace stemsmith
