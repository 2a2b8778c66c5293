// Random streams that are functions of their key alone: RandomStream(seed, epoch, index) gives the
// same numbers on every machine, compiler and thread count. No std:: distributions (their results
// differ by library).
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>

namespace stemsmith {

// SplitMix64's mixing function (Steele, Lea, Flood 2014): a bijection with good avalanche.
constexpr std::uint64_t MixBits(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

class RandomStream {
 public:
  explicit RandomStream(std::initializer_list<std::uint64_t> key) {
    for (const std::uint64_t part : key) state_ = MixBits(state_ ^ MixBits(part));
  }

  std::uint64_t Bits() { return MixBits(state_ + 0x9e3779b97f4a7c15ULL * counter_++); }
  // Uniform in [0, 1).
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1.0p-53; }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  // Uniform in 0 … n-1 (n > 0); the bias of the multiplication is below 2^-32 for n < 2^32.
  std::uint64_t Below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(Bits()) * n) >> 64);
  }
  bool Chance(double probability) { return Uniform() < probability; }
  // Normal by Box–Muller, one value per two draws.
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }
  // A stream of its own for one part of the work, independent of how much was drawn here.
  RandomStream Fork(std::uint64_t tag) const { return RandomStream({state_, tag, 0x666f726bULL}); }

 private:
  std::uint64_t state_ = 0x73746d736d697468ULL;
  std::uint64_t counter_ = 0;
};

// Fisher–Yates with the stream above.
template <typename Container>
void Shuffle(Container& items, RandomStream& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

}  // namespace stemsmith
