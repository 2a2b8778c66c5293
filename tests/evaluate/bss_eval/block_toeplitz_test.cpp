#include "evaluate/bss_eval/block_toeplitz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "core/error.h"

namespace stemsmith {
namespace {

// Correlations of n signals of `frames` frames at lags below `length`: [1, n, n, 2L].
torch::Tensor LagsOf(const torch::Tensor& signals, std::int64_t length) {
  const std::int64_t n = signals.size(0), size = signals.size(1) + length;
  const torch::Tensor spectra = torch::fft_rfft(signals, size);
  torch::Tensor lags = torch::zeros({1, n, n, 2 * length}, torch::kDouble);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < n; ++k) {
      const torch::Tensor all = torch::fft_irfft(spectra[i].conj() * spectra[k], size);
      lags[0][i][k].slice(0, 0, length).copy_(all.slice(0, 0, length));
      lags[0][i][k].slice(0, length + 1).copy_(all.slice(0, size - length + 1));
    }
  }
  return lags;
}

torch::Tensor Dense(const torch::Tensor& lags) {
  const std::int64_t n = lags.size(1), length = lags.size(3) / 2;
  torch::Tensor matrix = torch::zeros({n, length, n, length}, torch::kDouble);
  for (std::int64_t l = 0; l < length; ++l)
    for (std::int64_t m = 0; m < length; ++m)
      matrix.select(1, l).select(2, m).copy_(
          lags[0].select(2, (l - m + 2 * length) % (2 * length)));
  return matrix.reshape({n * length, n * length});
}

TEST(BlockToeplitz, GivesTheDenseSolution) {
  torch::manual_seed(1);
  const std::int64_t n = 3, length = 24;
  const torch::Tensor signals = torch::randn({n, 500}, torch::kDouble);
  const torch::Tensor lags = LagsOf(signals, length);
  const torch::Tensor right = torch::randn({1, n, length, 2}, torch::kDouble);
  const ToeplitzSolution solution = SolveBlockToeplitz(lags, right);
  const torch::Tensor expected =
      torch::linalg_solve(Dense(lags), right.reshape({n * length, 2}), true);
  EXPECT_LT((solution.filters.reshape({n * length, 2}) - expected).abs().max().item<double>(),
            1e-10 * expected.abs().max().item<double>());
  EXPECT_LE(solution.iterations, 5);
  EXPECT_LT(solution.last_gain, 1e-20);
}

TEST(BlockToeplitz, SolvesSystemsSideBySide) {
  torch::manual_seed(2);
  const torch::Tensor first = LagsOf(torch::randn({2, 300}, torch::kDouble), 16);
  const torch::Tensor second = LagsOf(torch::randn({2, 400}, torch::kDouble), 16);
  const torch::Tensor right = torch::randn({2, 2, 16, 1}, torch::kDouble);
  const torch::Tensor both = SolveBlockToeplitz(torch::cat({first, second}), right).filters;
  EXPECT_TRUE(torch::allclose(
      both.slice(0, 0, 1), SolveBlockToeplitz(first, right.slice(0, 0, 1)).filters, 1e-9, 1e-12));
  EXPECT_TRUE(torch::allclose(both.slice(0, 1),
                              SolveBlockToeplitz(second, right.slice(0, 1)).filters, 1e-9, 1e-12));
}

// A tone has a spectrum of two lines: nearly all directions have no energy.
TEST(BlockToeplitz, ProjectsOnSingularSystems) {
  const std::int64_t length = 32;
  const torch::Tensor time = torch::arange(2000, torch::kDouble);
  const torch::Tensor tone = torch::sin(0.3 * time).unsqueeze(0);
  const torch::Tensor lags = LagsOf(tone, length);
  const torch::Tensor wanted = torch::randn({length}, torch::kDouble);
  const torch::Tensor right = Dense(lags).mv(wanted).view({1, 1, length, 1});
  const torch::Tensor filters = SolveBlockToeplitz(lags, right).filters.flatten();
  const torch::Tensor error = filters - wanted;
  const double energy = wanted.dot(Dense(lags).mv(wanted)).item<double>();
  EXPECT_LT(error.dot(Dense(lags).mv(error)).item<double>(), 1e-10 * energy);
}

TEST(BlockToeplitz, NoRightSideNeedsNoWork) {
  const torch::Tensor lags = LagsOf(torch::ones({1, 40}, torch::kDouble), 8);
  const ToeplitzSolution solution =
      SolveBlockToeplitz(lags, torch::zeros({1, 1, 8, 1}, torch::kDouble));
  EXPECT_EQ(solution.filters.abs().max().item<double>(), 0);
}

TEST(BlockToeplitz, RefusesWhatIsNoNumber) {
  torch::Tensor lags = LagsOf(torch::ones({1, 40}, torch::kDouble), 8);
  lags[0][0][0][0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(SolveBlockToeplitz(lags, torch::ones({1, 1, 8, 1}, torch::kDouble)), Error);
}

}  // namespace
}  // namespace stemsmith
