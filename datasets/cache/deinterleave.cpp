#include "datasets/cache/deinterleave.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstring>
#include <span>

#include "core/vector_types.h"

namespace stemsmith {
namespace {

// Vectors of 16 bytes: every processor has registers for them (SSE2, NEON).
using Int16x8 = Vector<std::int16_t, 8>;
using Int32x4 = Vector<std::int32_t, 4>;
using Floatx4 = Vector<float, 4>;

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

// What the 16 bits of a sample are: floats from those in the upper or the lower halves of 32-bit
// numbers, before they are multiplied with Factor.
struct Int16Samples {
  // They are taken times 2^16, which the factor takes out again (exactly, as it is a power of two).
  static float Factor(float factor) { return factor * 0x1p-16f; }
  static Floatx4 Upper(Int32x4 pairs) { return __builtin_convertvector(pairs & ~0xFFFF, Floatx4); }
  static Floatx4 Lower(Int32x4 pairs) { return __builtin_convertvector(pairs << 16, Floatx4); }
};

// float16, whose mantissa lacks 13 bits and whose exponent counts from another number.
struct HalfSamples {
  static float Factor(float factor) { return factor; }
  static Floatx4 Upper(Int32x4 pairs) { return Lower(pairs >> 16); }
  static Floatx4 Lower(Int32x4 pairs) {
    const Int32x4 magnitude = pairs & 0x7FFF;
    const Int32x4 sign = (pairs & 0x8000) << 16;
    const Int32x4 normal = (magnitude << 13) + (112 << 23);
    // Without leading one below 2^-14: plain numbers of steps of 2^-24. Never as subnormal floats,
    // which processors multiply slowly.
    const auto steps =
        reinterpret_cast<Int32x4>(__builtin_convertvector(magnitude, Floatx4) * 0x1p-24f);
    const Int32x4 small = magnitude < 0x400;
    return reinterpret_cast<Floatx4>((steps & small) | (normal & ~small) | sign);
  }
};

template <typename Samples>
float One(std::int16_t sample, float factor) {
  return Samples::Lower(Int32x4{} + sample)[0] * factor;
}

enum class Summing { kNone, kBegins, kAdds };

template <Summing kSumming, typename Value>
void AddTo(Value value, float* sum) {
  if constexpr (kSumming == Summing::kAdds) {
    Value there;
    std::memcpy(&there, sum, sizeof there);
    value = there + value;
  }
  if constexpr (kSumming != Summing::kNone) std::memcpy(sum, &value, sizeof value);
}

template <Summing kSumming, typename Value>
void Store(Value value, float* out, float* sum) {
  std::memcpy(out, &value, sizeof value);
  AddTo<kSumming>(value, sum);
}

// How far from a boundary of a vector.
std::uintptr_t Alignment(const float* out) {
  return reinterpret_cast<std::uintptr_t>(out) % sizeof(Floatx4);
}

// To a boundary of a vector, past the processor's caches where it can: a batch is larger than they
// are, and what is written need not be read before.
void StoreBeside(float* out, Floatx4 values) {
#ifdef __SSE2__
  _mm_stream_ps(out, values);
#else
  std::memcpy(out, &values, sizeof values);
#endif
}
// Before others may read them.
void EndStoresBeside() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

// One column: neighbours in pairs, put side by side again.
template <typename Samples, Summing kSumming>
void DeinterleaveOne(const std::int16_t* in, std::int64_t frames, float factor, float* out,
                     float* sum) {
  std::int64_t t = 0;
  for (; t + 8 <= frames; t += 8) {
    Int32x4 pairs;
    std::memcpy(&pairs, in + t, sizeof pairs);
    const Floatx4 even = Samples::Lower(pairs) * factor, odd = Samples::Upper(pairs) * factor;
    Store<kSumming>(__builtin_shufflevector(even, odd, 0, 4, 1, 5), out + t, sum + t);
    Store<kSumming>(__builtin_shufflevector(even, odd, 2, 6, 3, 7), out + t + 4, sum + t + 4);
  }
  for (; t < frames; ++t) Store<kSumming>(One<Samples>(in[t], factor), out + t, sum + t);
}

// Two columns, which are the halves of 32-bit numbers.
template <typename Samples, Summing kSumming>
void DeinterleavePair(const std::int16_t* in, std::int64_t frames, float factor,
                      float* const (&out)[2], float* const (&sums)[2]) {
  float* __restrict first = out[0];
  float* __restrict second = out[1];
  float* __restrict first_sum = sums[0];
  float* __restrict second_sum = sums[1];
  const auto one = [&](std::int64_t t) {
    Store<kSumming>(One<Samples>(in[2 * t], factor), first + t, first_sum + t);
    Store<kSumming>(One<Samples>(in[2 * t + 1], factor), second + t, second_sum + t);
  };
  const auto four = [&](std::int64_t t, const auto& put) {
    Int32x4 pairs;
    std::memcpy(&pairs, in + 2 * t, sizeof pairs);
    const Floatx4 lower = Samples::Lower(pairs) * factor, upper = Samples::Upper(pairs) * factor;
    put(first + t, lower);
    put(second + t, upper);
    AddTo<kSumming>(lower, first_sum + t);
    AddTo<kSumming>(upper, second_sum + t);
  };
  std::int64_t t = 0;
  if (Alignment(first) == Alignment(second) && Alignment(first) % 4 == 0) {
    for (; t < frames && Alignment(first + t) != 0; ++t) one(t);
    for (; t + 4 <= frames; t += 4) four(t, StoreBeside);
    EndStoresBeside();
  } else {
    for (; t + 4 <= frames; t += 4)
      four(t, [](float* out, Floatx4 values) { std::memcpy(out, &values, sizeof values); });
  }
  for (; t < frames; ++t) one(t);
}

// Up to eight of many columns.
template <typename Samples>
void DeinterleaveEight(const std::int16_t* in, std::int64_t frames, std::size_t columns,
                       float factor, std::span<float* const> out, std::int64_t at) {
  std::int64_t t = 0;
  for (; t + 8 <= frames; t += 8) {
    Int16x8 a[8], b[8];
    for (std::size_t i = 0; i < 8; ++i) std::memcpy(&a[i], in + (t + i) * columns, sizeof a[i]);
    PerfectShuffle(a, b);
    PerfectShuffle(b, a);
    PerfectShuffle(a, b);
    for (std::size_t c = 0; c < out.size(); ++c) {
      std::int16_t column[8];
      std::memcpy(column, &b[c], sizeof column);
      DeinterleaveOne<Samples, Summing::kNone>(column, 8, factor, out[c] + at + t, nullptr);
    }
  }
  for (; t < frames; ++t)
    for (std::size_t c = 0; c < out.size(); ++c)
      out[c][at + t] = One<Samples>(in[t * columns + c], factor);
}

void AddRows(std::int64_t frames, const Rows& rows) {
  for (std::size_t c = 0; c < rows.sums.size(); ++c) {
    const float* from = rows.out[c];
    float* sum = rows.sums[c];
    if (rows.add_to_sums) {
      for (std::int64_t t = 0; t < frames; ++t) sum[t] += from[t];
    } else {
      std::copy_n(from, frames, sum);
    }
  }
}

template <typename Samples, Summing kSumming>
void DeinterleaveFew(const std::int16_t* in, std::int64_t frames, const Rows& rows, float factor) {
  float* none[2] = {};
  float* const* sums = kSumming == Summing::kNone ? none : rows.sums.data();
  if (rows.out.size() == 1)
    DeinterleaveOne<Samples, kSumming>(in, frames, factor, rows.out[0], sums[0]);
  else
    DeinterleavePair<Samples, kSumming>(in, frames, factor, {rows.out[0], rows.out[1]},
                                        {sums[0], sums[1]});
}

template <typename Samples>
void DeinterleaveSixteenBits(const std::int16_t* in, std::int64_t frames, const Rows& rows) {
  const float factor = Samples::Factor(rows.factor);
  const std::size_t columns = rows.out.size();
  if (columns <= 2) {
    if (rows.sums.empty())
      DeinterleaveFew<Samples, Summing::kNone>(in, frames, rows, factor);
    else if (rows.add_to_sums)
      DeinterleaveFew<Samples, Summing::kAdds>(in, frames, rows, factor);
    else
      DeinterleaveFew<Samples, Summing::kBegins>(in, frames, rows, factor);
    return;
  }
  // Blocks that stay in the first-level cache while their columns are picked, eight at a time.
  constexpr std::int64_t kBlock = 512;
  for (std::int64_t begin = 0; begin < frames; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, frames - begin);
    for (std::size_t c = 0; c < columns; c += 8) {
      const std::size_t count = std::min<std::size_t>(8, columns - c);
      DeinterleaveEight<Samples>(in + begin * columns + c, n, columns, factor,
                                 rows.out.subspan(c, count), begin);
    }
  }
  AddRows(frames, rows);
}

}  // namespace

void Deinterleave(const std::int16_t* in, std::int64_t frames, const Rows& rows) {
  DeinterleaveSixteenBits<Int16Samples>(in, frames, rows);
}

void DeinterleaveHalves(const std::uint16_t* in, std::int64_t frames, const Rows& rows) {
  DeinterleaveSixteenBits<HalfSamples>(reinterpret_cast<const std::int16_t*>(in), frames, rows);
}

void Deinterleave(const float* in, std::int64_t frames, const Rows& rows) {
  constexpr std::int64_t kBlock = 256;
  const std::size_t columns = rows.out.size();
  for (std::int64_t begin = 0; begin < frames; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, frames - begin);
    for (std::size_t c = 0; c < columns; ++c) {
      const float* from = in + begin * columns + c;
      float* to = rows.out[c] + begin;
      for (std::int64_t t = 0; t < n; ++t) to[t] = from[t * columns] * rows.factor;
    }
  }
  AddRows(frames, rows);
}

}  // namespace stemsmith
