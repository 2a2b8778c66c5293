#include "baselines/nmf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/error.h"
#include "tests/baselines/baseline_songs.h"

namespace stemsmith {
namespace {

using testing::Energy;
using testing::LargestDifference;
using testing::Separated;
using testing::Sine;
using testing::Sum;

constexpr int kRate = 44100;

class EveryDivergence : public ::testing::TestWithParam<Divergence> {};

// A product of three components, more frames than a block has, and a stride wider than the bins.
struct Product {
  static constexpr std::size_t kFrames = 300, kBins = 37, kStride = 40, kComponents = 3;
  std::vector<float> values = std::vector<float>(kFrames * kStride, 1e6f);
  MagnitudeMatrix matrix = {values.data(), kFrames, kBins, kStride};
  Product() {
    RandomStream random({4});
    std::vector<float> activations(kFrames * kComponents), spectra(kComponents * kBins);
    for (float& value : activations) value = static_cast<float>(std::pow(random.Uniform(), 4));
    for (float& value : spectra) value = static_cast<float>(std::pow(random.Uniform(), 4));
    for (std::size_t n = 0; n < kFrames; ++n) {
      for (std::size_t f = 0; f < kBins; ++f) {
        float sum = 1e-3f;
        for (std::size_t k = 0; k < kComponents; ++k)
          sum += activations[n * kComponents + k] * spectra[k * kBins + f];
        values[n * kStride + f] = sum;
      }
    }
  }
  double Error(const Factors& factors) const {
    double error = 0, all = 0;
    for (std::size_t n = 0; n < kFrames; ++n) {
      for (std::size_t f = 0; f < kBins; ++f) {
        double model = 0;
        for (std::size_t k = 0; k < factors.components; ++k)
          model += factors.activations[n * factors.components + k] * factors.spectra[k * kBins + f];
        const double v = values[n * kStride + f];
        error += (v - model) * (v - model);
        all += v * v;
      }
    }
    return std::sqrt(error / all);
  }
};

TEST_P(EveryDivergence, FindsTheComponentsOfAProduct) {
  const Product product;
  Factors factors = RandomFactors(product.matrix, 3, 1);
  EXPECT_GT(product.Error(factors), 0.5);
  Factorize(product.matrix, GetParam(), 500, factors);
  // The exponent 1/2 of Itakura–Saito takes smaller steps, and loud bins count as much as others.
  EXPECT_LT(product.Error(factors), GetParam() == Divergence::kItakuraSaito ? 0.15 : 0.02);
  for (const float value : factors.activations) ASSERT_GE(value, 0);
  for (const float value : factors.spectra) ASSERT_GE(value, 0);
}

TEST_P(EveryDivergence, IsFiniteOfZeros) {
  const std::vector<float> zeros(200 * 30, 0.0f);
  const MagnitudeMatrix matrix = {zeros.data(), 200, 30, 30};
  Factors factors = RandomFactors(matrix, 4, 1);
  std::fill(factors.spectra.begin(), factors.spectra.end(), 0.5f);
  Factorize(matrix, GetParam(), 20, factors);
  for (const float value : factors.activations) ASSERT_TRUE(std::isfinite(value));
  for (const float value : factors.spectra) ASSERT_TRUE(std::isfinite(value));
}

INSTANTIATE_TEST_SUITE_P(All, EveryDivergence,
                         ::testing::Values(Divergence::kFrobenius, Divergence::kKullbackLeibler,
                                           Divergence::kItakuraSaito));

TEST(Nmf, BeginsByItsSeed) {
  const Product product;
  const auto begun = [&](std::uint64_t seed) {
    return RandomFactors(product.matrix, 3, seed).activations;
  };
  EXPECT_EQ(begun(1), begun(1));
  EXPECT_NE(begun(1), begun(2));
}

TEST(Nmf, StopsWhereTheHostAsks) {
  const Product product;
  Factors factors = RandomFactors(product.matrix, 3, 1);
  Host host;
  host.stop = [asked = 0]() mutable { return ++asked > 3 ? 2 : 0; };
  EXPECT_THROW(Factorize(product.matrix, Divergence::kFrobenius, 1000, factors, host), Error);
}

// A low tone, a middle one that comes and goes, and hits of noise.
struct Mixture {
  static constexpr std::size_t kFrames = 6 * kRate;
  AudioBuffer bass = Sine(2, kFrames, 70, kRate), vocals = Sine(2, kFrames, 1000, kRate),
              drums = AudioBuffer(2, kFrames);
  Mixture() {
    RandomStream random({8});
    for (int c = 0; c < 2; ++c) {
      for (std::size_t t = 0; t < kFrames; ++t) {
        const double beat = std::sin(2 * std::numbers::pi * 0.3 * static_cast<double>(t) / kRate);
        vocals.channel(c)[t] *= static_cast<float>(beat * beat);
        const double since = static_cast<double>((t + 13000) % 22050);
        drums.channel(c)[t] = static_cast<float>(std::exp(-since / 800) * random.Normal());
      }
    }
  }
};

double SdrDb(const AudioBuffer& reference, const AudioBuffer& estimate) {
  double error = 0;
  for (std::size_t i = 0; i < reference.samples().size(); ++i) {
    const double difference = static_cast<double>(reference.samples()[i]) - estimate.samples()[i];
    error += difference * difference;
  }
  return 10 * std::log10(Energy(reference) / error);
}

TEST(Nmf, SortsComponentsIntoStems) {
  const Mixture mixture;
  const auto stems = Separated("nmf", "{components: 8}",
                               Sum(Sum(mixture.bass, mixture.vocals), mixture.drums), kRate);
  EXPECT_GT(SdrDb(mixture.drums, stems[0]), 3);
  EXPECT_GT(SdrDb(mixture.bass, stems[1]), 8);
  EXPECT_GT(SdrDb(mixture.vocals, stems[3]), 8);
}

TEST(NmfRanges, KeepStemsWithinTheirRanges) {
  const Mixture mixture;
  const AudioBuffer song = Sum(Sum(mixture.bass, mixture.vocals), mixture.drums);
  const auto stems = Separated("nmf_ranges",
                               "{percussive: hits, ranges: {low: {high_hz: 300, components: 2},"
                               " middle: {low_hz: 300, components: 4}}}",
                               song, kRate);
  ASSERT_EQ(stems.size(), 3u);
  EXPECT_GT(SdrDb(mixture.drums, stems[0]), 3);
  EXPECT_GT(SdrDb(mixture.bass, stems[1]), 15);
  EXPECT_GT(SdrDb(mixture.vocals, stems[2]), 15);
  // Of a song whose highest frequency lies below a range, that stem is silent.
  const auto low = Separated("nmf_ranges", "{ranges: {all: {components: 2}, high: {low_hz: 5000}}}",
                             Sine(1, 8000, 200, 8000), 8000);
  EXPECT_EQ(Energy(low[2]), 0);
}

}  // namespace
}  // namespace stemsmith
