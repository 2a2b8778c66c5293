#include "datasets/deinterleave.h"

#include <algorithm>
#include <cstring>
#include <span>

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

// Eight samples as floats.
struct Floats {
  Floatx4 low, high;
  void Store(float* out) const {
    std::memcpy(out, &low, sizeof low);
    std::memcpy(out + 4, &high, sizeof high);
  }
};

// What the 16 bits of a sample are. Factor makes ready what a column is multiplied with, Eight
// reads eight samples, One reads one.
struct Int16Samples {
  // The samples are taken in the upper halves of 32-bit numbers, that is times 2^16, which the
  // factor takes out again (exactly, as it is a power of two).
  static Floatx4 Factor(float factor) { return Floatx4{} + factor * 0x1p-16f; }
  static Floats Eight(Int16x8 samples, Floatx4 factor) {
    const Int16x8 zero = {};
    const auto low = reinterpret_cast<Int32x4>(InterleaveLow(zero, samples));
    const auto high = reinterpret_cast<Int32x4>(InterleaveHigh(zero, samples));
    return {__builtin_convertvector(low, Floatx4) * factor,
            __builtin_convertvector(high, Floatx4) * factor};
  }
  static float One(std::int16_t sample, float factor) {
    return static_cast<float>(sample) * factor;
  }
};

// float16, whose mantissa lacks 13 bits and whose exponent counts from another number.
struct HalfSamples {
  static Floatx4 Factor(float factor) { return Floatx4{} + factor; }
  // Four of them in the low halves of 32-bit numbers.
  static Floatx4 Four(Int32x4 halves) {
    const Int32x4 magnitude = halves & 0x7FFF;
    const Int32x4 sign = (halves & 0x8000) << 16;
    const Int32x4 normal = (magnitude << 13) + (112 << 23);
    // Without leading one below 2^-14: plain numbers of steps of 2^-24. Never as subnormal floats,
    // which processors multiply slowly.
    const auto steps =
        reinterpret_cast<Int32x4>(__builtin_convertvector(magnitude, Floatx4) * 0x1p-24f);
    const Int32x4 small = magnitude < 0x400;
    return reinterpret_cast<Floatx4>((steps & small) | (normal & ~small) | sign);
  }
  static Floats Eight(Int16x8 samples, Floatx4 factor) {
    const Int16x8 zero = {};
    return {Four(reinterpret_cast<Int32x4>(InterleaveLow(samples, zero))) * factor,
            Four(reinterpret_cast<Int32x4>(InterleaveHigh(samples, zero))) * factor};
  }
  static float One(std::int16_t sample, float factor) {
    return Four(Int32x4{sample & 0xFFFF})[0] * factor;
  }
};

// The sums of one group of columns, which are added to what is there or are the first.
struct Sums {
  float* rows[kMostSummedChannels] = {};
  int count = 0;
  bool first = true;
};

template <typename Samples>
void DeinterleaveRest(const std::int16_t* in, int columns, std::span<const ColumnTarget> targets,
                      std::int64_t begin, std::int64_t frames, const Sums& sums) {
  for (std::int64_t t = begin; t < frames; ++t) {
    float sum[kMostSummedChannels] = {};
    for (std::size_t c = 0; c < targets.size(); ++c) {
      const float value = Samples::One(in[t * columns + c], targets[c].factor);
      targets[c].out[t] = value;
      sum[targets[c].channel] += value;
    }
    for (int k = 0; k < sums.count; ++k)
      sums.rows[k][t] = sums.first ? sum[k] : sums.rows[k][t] + sum[k];
  }
}

// Up to eight columns; kAll: all eight of them.
template <bool kAll, bool kSum, typename Samples>
void DeinterleaveEight(const std::int16_t* in, int columns, std::span<const ColumnTarget> targets,
                       std::int64_t frames, const Sums& sums) {
  const int count = kAll ? 8 : static_cast<int>(targets.size());
  Floatx4 factors[8];
  for (int c = 0; c < count; ++c) factors[c] = Samples::Factor(targets[c].factor);
  std::int64_t t = 0;
  for (; t + 8 <= frames; t += 8) {
    Int16x8 a[8], b[8];
    for (int i = 0; i < 8; ++i) std::memcpy(&a[i], in + (t + i) * columns, sizeof a[i]);
    PerfectShuffle(a, b);
    PerfectShuffle(b, a);
    PerfectShuffle(a, b);
    Floats sum[kMostSummedChannels] = {};
    for (int c = 0; c < 8; ++c) {
      if (!kAll && c >= count) break;
      const Floats values = Samples::Eight(b[c], factors[c]);
      values.Store(targets[c].out + t);
      if constexpr (kSum) {
        Floats& to = sum[targets[c].channel];
        to.low += values.low;
        to.high += values.high;
      }
    }
    if constexpr (kSum) {
      for (int k = 0; k < sums.count; ++k) {
        float* row = sums.rows[k] + t;
        if (!sums.first) {
          Floats there;
          std::memcpy(&there, row, sizeof there);
          sum[k].low += there.low;
          sum[k].high += there.high;
        }
        sum[k].Store(row);
      }
    }
  }
  DeinterleaveRest<Samples>(in, columns, targets, t, frames, sums);
}

// Two columns, which lie in 32 bits of each frame: four frames make a vector, and there is far less
// to shuffle than in a transposition of all columns.
template <typename Samples>
void DeinterleavePair(const std::int16_t* in, int columns, std::span<const ColumnTarget> targets,
                      std::int64_t frames) {
  const auto four = [&](std::int64_t t) {
    std::int32_t pairs[4];
    for (int i = 0; i < 4; ++i) std::memcpy(&pairs[i], in + (t + i) * columns, sizeof pairs[i]);
    return reinterpret_cast<Int16x8>(Int32x4{pairs[0], pairs[1], pairs[2], pairs[3]});
  };
  const Floatx4 first = Samples::Factor(targets[0].factor);
  const Floatx4 second = Samples::Factor(targets[1].factor);
  std::int64_t t = 0;
  for (; t + 8 <= frames; t += 8) {
    const Int16x8 a = four(t), b = four(t + 4);
    const Int16x8 low = InterleaveLow(a, b), high = InterleaveHigh(a, b);
    const Int16x8 even = InterleaveLow(low, high), odd = InterleaveHigh(low, high);
    Samples::Eight(InterleaveLow(even, odd), first).Store(targets[0].out + t);
    Samples::Eight(InterleaveHigh(even, odd), second).Store(targets[1].out + t);
  }
  DeinterleaveRest<Samples>(in, columns, targets, t, frames, {});
}

// The targets `by` frames on.
std::span<const ColumnTarget> Moved(std::span<const ColumnTarget> targets, std::int64_t by,
                                    ColumnTarget (&room)[8]) {
  for (std::size_t c = 0; c < targets.size(); ++c) {
    room[c] = targets[c];
    room[c].out += by;
  }
  return {room, targets.size()};
}

template <typename Samples>
void DeinterleaveSixteenBits(const std::int16_t* in, int columns, int first,
                             std::span<const ColumnTarget> targets, std::int64_t frames,
                             std::span<float* const> sum_rows) {
  // Blocks that stay in the first-level cache while their columns are picked, eight at a time.
  constexpr std::int64_t kBlock = 512;
  Sums sums;
  sums.count = static_cast<int>(sum_rows.size());
  for (std::int64_t begin = 0; begin < frames; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, frames - begin);
    for (int k = 0; k < sums.count; ++k) sums.rows[k] = sum_rows[k] + begin;
    sums.first = true;
    for (std::size_t c = 0; c < targets.size(); c += 8) {
      const std::size_t count = std::min<std::size_t>(8, targets.size() - c);
      const std::int16_t* from = in + begin * columns + first + c;
      ColumnTarget room[8];
      const auto to = Moved(targets.subspan(c, count), begin, room);
      if (sums.count > 0)
        count == 8 ? DeinterleaveEight<true, true, Samples>(from, columns, to, n, sums)
                   : DeinterleaveEight<false, true, Samples>(from, columns, to, n, sums);
      else if (count == 8)
        DeinterleaveEight<true, false, Samples>(from, columns, to, n, sums);
      else if (count == 2)
        DeinterleavePair<Samples>(from, columns, to, n);
      else
        DeinterleaveEight<false, false, Samples>(from, columns, to, n, sums);
      sums.first = false;
    }
  }
}

}  // namespace

void Deinterleave(const std::int16_t* in, int columns, int first,
                  std::span<const ColumnTarget> targets, std::int64_t frames,
                  std::span<float* const> sums) {
  DeinterleaveSixteenBits<Int16Samples>(in, columns, first, targets, frames, sums);
}

void DeinterleaveHalves(const std::uint16_t* in, int columns, int first,
                        std::span<const ColumnTarget> targets, std::int64_t frames,
                        std::span<float* const> sums) {
  DeinterleaveSixteenBits<HalfSamples>(reinterpret_cast<const std::int16_t*>(in), columns, first,
                                       targets, frames, sums);
}

void Deinterleave(const float* in, int columns, int first, std::span<const ColumnTarget> targets,
                  std::int64_t frames, std::span<float* const> sums) {
  constexpr std::int64_t kBlock = 256;
  for (std::int64_t begin = 0; begin < frames; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, frames - begin);
    for (float* const sum : sums) std::fill_n(sum + begin, n, 0.0f);
    for (std::size_t c = 0; c < targets.size(); ++c) {
      const float* from = in + begin * columns + first + c;
      const float factor = targets[c].factor;
      float* to = targets[c].out + begin;
      for (std::int64_t t = 0; t < n; ++t) to[t] = from[t * columns] * factor;
      if (sums.empty()) continue;
      float* sum = sums[static_cast<std::size_t>(targets[c].channel)] + begin;
      for (std::int64_t t = 0; t < n; ++t) sum[t] += to[t];
    }
  }
}

}  // namespace stemsmith
