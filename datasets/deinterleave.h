// Interleaved frames, as they lie in a chunk of the cache, into planar rows of floats. Vectorised
// on any processor, without flags of the build.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stemsmith {

// What Deinterleave may read beyond the last sample it needs.
inline constexpr std::size_t kDeinterleaveSlackBytes = 16;

// Columns [first, first + count) of `frames` frames that are `columns` samples wide, times `scale`,
// into `count` rows that begin `row` samples apart in `out`.
void Deinterleave(const std::int16_t* in, int columns, int first, int count, std::int64_t frames,
                  float scale, float* out, std::int64_t row);
// The same of IEEE float16, given as bits; finite numbers only.
void DeinterleaveHalves(const std::uint16_t* in, int columns, int first, int count,
                        std::int64_t frames, float scale, float* out, std::int64_t row);
void Deinterleave(const float* in, int columns, int first, int count, std::int64_t frames,
                  float* out, std::int64_t row);

}  // namespace stemsmith
