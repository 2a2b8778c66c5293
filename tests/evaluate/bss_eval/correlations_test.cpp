#include "evaluate/bss_eval/correlations.h"

#include <gtest/gtest.h>

#include "tests/evaluate/memory_pair.h"

namespace stemsmith {
namespace {

using testing::MemoryPair;
using testing::RandomPair;

constexpr int kLength = 48;

double Largest(const torch::Tensor& difference) { return difference.abs().max().item<double>(); }

TEST(Correlations, AreSumsOfProductsAtLags) {
  MemoryPair song = RandomPair(2, 1, 900);
  const Correlations all = Correlator(song, kLength).Stretch(100, 800);
  const auto sum = [&](const auto& x, const auto& y, int lag) {
    double result = 0;
    for (int t = 100; t < 800; ++t)
      if (t - lag >= 100 && t - lag < 800) result += x(t - lag) * y(t);
    return result;
  };
  const auto reference = [&](int s) {
    return [&song, s](int t) { return static_cast<double>(song.reference(s).channel(0)[t]); };
  };
  const auto error = [&](int s) {
    return [&song, s](int t) {
      return static_cast<double>(song.estimate(s).channel(0)[t]) - song.reference(s).channel(0)[t];
    };
  };
  for (const int lag : {0, 1, 20, kLength - 1}) {
    const std::int64_t zero = kLength - 1;
    EXPECT_NEAR(all.references[1][zero + lag].item<double>(), sum(reference(0), reference(1), lag),
                1e-12);
    EXPECT_NEAR(all.references[1][zero - lag].item<double>(), sum(reference(0), reference(1), -lag),
                1e-12);
    EXPECT_NEAR(all.errors[1][0][lag].item<double>(), sum(reference(1), error(0), lag), 1e-12);
  }
  EXPECT_NEAR(all.error_energies[1].item<double>(), sum(error(1), error(1), 0), 1e-12);
}

TEST(Correlations, OfStretchesAndBetweenThemAreThoseOfTheWhole) {
  for (const std::vector<std::size_t>& ends :
       {std::vector<std::size_t>{3000}, {1000, 2000, 3000}, {47, 500, 2990, 3000}}) {
    MemoryPair song = RandomPair(2, 2, 3000);
    const Correlations whole = Correlator(song, kLength).Stretch(0, 3000);
    Correlator correlator(song, kLength);
    Correlations sum;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      sum.Add(correlator.Stretch(begin, end));
      begin = end;
    }
    sum.Add(correlator.Between());
    EXPECT_LT(Largest(sum.references - whole.references), 1e-11) << ends.size();
    EXPECT_LT(Largest(sum.errors - whole.errors), 1e-11) << ends.size();
    EXPECT_LT(Largest(sum.error_energies - whole.error_energies), 1e-11) << ends.size();
  }
}

TEST(Correlations, SilenceIsWhatAddsUpToNothingOverChannels) {
  MemoryPair song = RandomPair(2, 2, 400);
  EXPECT_FALSE(Correlator(song, kLength).Stretch(0, 400).has_silence);
  for (std::size_t t = 0; t < 400; ++t)
    song.estimate(1).channel(1)[t] = -song.estimate(1).channel(0)[t];
  EXPECT_TRUE(Correlator(song, kLength).Stretch(0, 400).has_silence);
  song.estimate(1).channel(1)[300] += 0.1f;
  EXPECT_TRUE(Correlator(song, kLength).Stretch(0, 300).has_silence);
  EXPECT_FALSE(Correlator(song, kLength).Stretch(0, 400).has_silence);
}

TEST(Correlations, CircularLagsAreSymmetric) {
  MemoryPair song = RandomPair(1, 3, 700);
  const Correlations all = Correlator(song, kLength).Stretch(0, 700);
  const torch::Tensor lags = CircularLags(all.references, 0, 3, 3);
  const torch::Tensor other = lags.transpose(0, 1).flip(2).roll(1, 2);
  EXPECT_LT(Largest(lags - other), 1e-12);
  EXPECT_EQ(Largest(CircularLags(all.references, 1, 2, 3) - lags.slice(0, 1).slice(1, 1)), 0);
}

}  // namespace
}  // namespace stemsmith
