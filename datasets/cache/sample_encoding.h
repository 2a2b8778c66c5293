// Floats into samples as they lie in a chunk of the cache (datasets/cache/deinterleave.h is the way
// back), and what is measured of them on the way.
// Written for the compiler to vectorise on any processor, without flags of the build.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stemsmith {

// The largest float16.
inline constexpr double kLargestHalf = 65504.0;

// in · factor rounded to nearest, even where in between, and clipped. With a factor of 32768 these
// are the numbers of QuantizeSample (audio/quantize.h); here tracks may have a step of their own,
// and a song is encoded many samples at once. The bytes of caches depend on it.
void EncodeInt16(const float* in, std::size_t count, float factor, std::int16_t* out);
// in · factor as IEEE float16 (its bits), rounded to nearest, even where in between; beyond
// ±65504 clipped.
void EncodeHalf(const float* in, std::size_t count, float factor, std::uint16_t* out);
// Widens [lowest, highest] to hold all samples.
void WidenRange(const float* in, std::size_t count, float& lowest, float& highest);
// Adds to sums[c] the squares of column c of rows [frames, columns].
void AddSquares(const float* rows, std::size_t frames, std::size_t columns, double* sums);

}  // namespace stemsmith
