#include "datasets/deinterleave.h"

#include <algorithm>
#include <cstring>

namespace stemsmith {
namespace {

// Vectors of 16 bytes as GCC and Clang know them on every processor (SSE2, NEON).
using Int16x8 = std::int16_t __attribute__((vector_size(16)));
using Int32x4 = std::int32_t __attribute__((vector_size(16)));
using Floatx4 = float __attribute__((vector_size(16)));

Int16x8 InterleaveLow(Int16x8 a, Int16x8 b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
Int16x8 InterleaveHigh(Int16x8 a, Int16x8 b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

// One perfect shuffle of 64 samples. Three of them swap the halves of each sample's number (row,
// column): they transpose.
void PerfectShuffle(const Int16x8 (&in)[8], Int16x8 (&out)[8]) {
  for (int i = 0; i < 4; ++i) {
    out[2 * i] = InterleaveLow(in[i], in[i + 4]);
    out[2 * i + 1] = InterleaveHigh(in[i], in[i + 4]);
  }
}

// Eight samples in the upper halves of 32-bit numbers, that is times 2^16: `factor` takes that out
// again (exactly, as it is a power of two).
void StoreFloats(Int16x8 samples, Floatx4 factor, float* out) {
  const Int16x8 zero = {};
  const auto low = reinterpret_cast<Int32x4>(InterleaveLow(zero, samples));
  const auto high = reinterpret_cast<Int32x4>(InterleaveHigh(zero, samples));
  const Floatx4 first = __builtin_convertvector(low, Floatx4) * factor;
  const Floatx4 second = __builtin_convertvector(high, Floatx4) * factor;
  std::memcpy(out, &first, sizeof first);
  std::memcpy(out + 4, &second, sizeof second);
}

// What the 16 bits of a sample are. Store writes eight as floats, One reads one.
struct Int16Samples {
  explicit Int16Samples(float scale) : scale(scale), factors(Floatx4{} + scale * 0x1p-16f) {}
  void Store(Int16x8 samples, float* out) const { StoreFloats(samples, factors, out); }
  float One(std::int16_t sample) const { return static_cast<float>(sample) * scale; }
  float scale;
  Floatx4 factors;
};

// float16, whose mantissa lacks 13 bits and whose exponent counts from another number.
struct HalfSamples {
  explicit HalfSamples(float scale) : scales(Floatx4{} + scale) {}
  // Four of them in the low halves of 32-bit numbers.
  Floatx4 Four(Int32x4 halves) const {
    const Int32x4 magnitude = halves & 0x7FFF;
    const Int32x4 sign = (halves & 0x8000) << 16;
    const Int32x4 normal = (magnitude << 13) + (112 << 23);
    // Without leading one below 2^-14: plain numbers of steps of 2^-24. Never as subnormal floats,
    // which processors multiply slowly.
    const auto steps =
        reinterpret_cast<Int32x4>(__builtin_convertvector(magnitude, Floatx4) * 0x1p-24f);
    const Int32x4 small = magnitude < 0x400;
    return reinterpret_cast<Floatx4>((steps & small) | (normal & ~small) | sign) * scales;
  }
  void Store(Int16x8 samples, float* out) const {
    const Int16x8 zero = {};
    const Floatx4 first = Four(reinterpret_cast<Int32x4>(InterleaveLow(samples, zero)));
    const Floatx4 second = Four(reinterpret_cast<Int32x4>(InterleaveHigh(samples, zero)));
    std::memcpy(out, &first, sizeof first);
    std::memcpy(out + 4, &second, sizeof second);
  }
  float One(std::int16_t sample) const { return Four(Int32x4{sample & 0xFFFF})[0]; }
  Floatx4 scales;
};

// Up to eight columns; kAll: all eight of them.
template <bool kAll, typename Samples>
void DeinterleaveEight(const std::int16_t* in, int columns, int count, std::int64_t frames,
                       const Samples& samples, float* out, std::int64_t row) {
  std::int64_t t = 0;
  for (; t + 8 <= frames; t += 8) {
    Int16x8 a[8], b[8];
    for (int i = 0; i < 8; ++i) std::memcpy(&a[i], in + (t + i) * columns, sizeof a[i]);
    PerfectShuffle(a, b);
    PerfectShuffle(b, a);
    PerfectShuffle(a, b);
    for (int c = 0; c < 8; ++c)
      if (kAll || c < count) samples.Store(b[c], out + c * row + t);
  }
  for (; t < frames; ++t)
    for (int c = 0; c < count; ++c) out[c * row + t] = samples.One(in[t * columns + c]);
}

// Two columns, which lie in 32 bits of each frame: four frames make a vector, and there is far less
// to shuffle than in a transposition of all columns.
template <typename Samples>
void DeinterleavePair(const std::int16_t* in, int columns, std::int64_t frames,
                      const Samples& samples, float* out, std::int64_t row) {
  const auto four = [&](std::int64_t t) {
    std::int32_t pairs[4];
    for (int i = 0; i < 4; ++i) std::memcpy(&pairs[i], in + (t + i) * columns, sizeof pairs[i]);
    return reinterpret_cast<Int16x8>(Int32x4{pairs[0], pairs[1], pairs[2], pairs[3]});
  };
  std::int64_t t = 0;
  for (; t + 8 <= frames; t += 8) {
    const Int16x8 a = four(t), b = four(t + 4);
    const Int16x8 low = InterleaveLow(a, b), high = InterleaveHigh(a, b);
    const Int16x8 even = InterleaveLow(low, high), odd = InterleaveHigh(low, high);
    samples.Store(InterleaveLow(even, odd), out + t);
    samples.Store(InterleaveHigh(even, odd), out + row + t);
  }
  for (; t < frames; ++t)
    for (int c = 0; c < 2; ++c) out[c * row + t] = samples.One(in[t * columns + c]);
}

template <typename Samples>
void DeinterleaveSixteenBits(const std::int16_t* in, int columns, int first, int count,
                             std::int64_t frames, const Samples& samples, float* out,
                             std::int64_t row) {
  // Blocks that stay in the first-level cache while their columns are picked, eight at a time.
  constexpr std::int64_t kBlock = 512;
  for (std::int64_t begin = 0; begin < frames; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, frames - begin);
    const std::int16_t* from = in + begin * columns + first;
    float* to = out + begin;
    int c = 0;
    for (; c + 8 <= count; c += 8)
      DeinterleaveEight<true>(from + c, columns, 8, n, samples, to + c * row, row);
    if (count - c == 2)
      DeinterleavePair(from + c, columns, n, samples, to + c * row, row);
    else if (c < count)
      DeinterleaveEight<false>(from + c, columns, count - c, n, samples, to + c * row, row);
  }
}

}  // namespace

void Deinterleave(const std::int16_t* in, int columns, int first, int count, std::int64_t frames,
                  float scale, float* out, std::int64_t row) {
  DeinterleaveSixteenBits(in, columns, first, count, frames, Int16Samples(scale), out, row);
}

void DeinterleaveHalves(const std::uint16_t* in, int columns, int first, int count,
                        std::int64_t frames, float scale, float* out, std::int64_t row) {
  DeinterleaveSixteenBits(reinterpret_cast<const std::int16_t*>(in), columns, first, count, frames,
                          HalfSamples(scale), out, row);
}

void Deinterleave(const float* in, int columns, int first, int count, std::int64_t frames,
                  float* out, std::int64_t row) {
  constexpr std::int64_t kBlock = 256;
  for (std::int64_t begin = 0; begin < frames; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, frames - begin);
    for (int c = 0; c < count; ++c) {
      const float* from = in + begin * columns + first + c;
      float* to = out + c * row + begin;
      for (std::int64_t t = 0; t < n; ++t) to[t] = from[t * columns];
    }
  }
}

}  // namespace stemsmith
