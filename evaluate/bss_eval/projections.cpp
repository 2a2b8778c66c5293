#include "evaluate/bss_eval/projections.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "evaluate/bss_eval/block_toeplitz.h"

namespace stemsmith {
namespace {

// Below this share of its own energy a channel's rest is rounding.
constexpr double kDependent = 1e-14;
// 10^(−310/10): where double precision ends.
constexpr double kRounding = 1e-31;
// Of `which`, in order, the channels that are no combination of those before: a Cholesky
// factorisation of their energies and products, [n, n].
std::vector<int> Independent(const torch::Tensor& energies, const std::vector<int>& which) {
  const auto g = energies.accessor<double, 2>();
  std::vector<int> kept;
  std::vector<std::vector<double>> rows;
  for (const int channel : which) {
    const double own = g[channel][channel];
    if (own <= 0) continue;
    std::vector<double> row;
    double rest = 1;
    for (std::size_t k = 0; k < kept.size(); ++k) {
      double value = g[channel][kept[k]] / std::sqrt(own * g[kept[k]][kept[k]]);
      for (std::size_t m = 0; m < k; ++m) value -= row[m] * rows[k][m];
      row.push_back(value / rows[k][k]);
      rest -= row.back() * row.back();
    }
    if (rest <= kDependent) continue;
    row.push_back(std::sqrt(rest));
    kept.push_back(channel);
    rows.push_back(std::move(row));
  }
  return kept;
}

double DbAboveRounding(double numerator, double denominator) {
  if (numerator <= 0 && denominator <= 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(numerator / std::max(denominator, numerator * kRounding));
}

// Gives the channels of `all` that are not among `kept` white noise of their own in place of what
// they share with others, and no part of the right side: their filters are zero.
void LeaveOut(const std::vector<int>& all, const std::vector<int>& kept, torch::Tensor lags,
              torch::Tensor right) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::find(kept.begin(), kept.end(), all[i]) != kept.end()) continue;
    const auto row = static_cast<std::int64_t>(i);
    lags.select(0, row).zero_();
    lags.select(1, row).zero_();
    lags[row][row][0] = 1;
    right[row].zero_();
  }
}

}  // namespace

Projections::Projections(const Correlations& from, int sources, int channels,
                         const BssEvalOptions& options)
    : sources_(sources),
      channels_(channels),
      length_(options.filter_length),
      by_sources_(options.sources) {
  const int all = sources * channels;
  zero_lag_.assign(static_cast<std::size_t>(all),
                   std::vector<std::int64_t>(static_cast<std::size_t>(all)));
  std::int64_t next = 0;
  for (const auto& [i, k] : ReferencePairs(all)) zero_lag_[i][k] = zero_lag_[k][i] = next++;
  torch::Tensor energies = torch::zeros({all, all}, torch::kDouble);
  for (int i = 0; i < all; ++i)
    for (int k = 0; k < all; ++k) energies[i][k] = from.references[zero_lag_[i][k]][length_ - 1];

  std::vector<int> every(static_cast<std::size_t>(all));
  std::iota(every.begin(), every.end(), 0);
  const std::vector<int> kept = Independent(energies, every);
  dependent_channels = all - static_cast<int>(kept.size());
  torch::Tensor lags = CircularLags(from.references, 0, all, all).unsqueeze(0);
  torch::Tensor right = from.errors.transpose(1, 2).unsqueeze(0).contiguous();
  LeaveOut(every, kept, lags[0], right[0]);
  const ToeplitzSolution solution = SolveBlockToeplitz(lags, right);
  iterations = solution.iterations;
  last_gain = solution.last_gain;

  // Of each reference t alone: the errors of the estimates that it is compared with.
  std::vector<torch::Tensor> own_lags, own_right;
  for (int t = 0; t < sources; ++t) {
    const std::vector<int> own(every.begin() + t * channels, every.begin() + (t + 1) * channels);
    own_lags.push_back(CircularLags(from.references, t * channels, channels, all));
    std::vector<torch::Tensor> columns;
    for (int e = 0; e < sources; ++e)
      if (e == t || options.permute) columns.push_back(Errors(from, t, e));
    own_right.push_back(torch::cat(columns, 2));
    LeaveOut(own, Independent(energies, own), own_lags.back(), own_right.back());
  }
  const torch::Tensor by_own =
      SolveBlockToeplitz(torch::stack(own_lags), torch::stack(own_right)).filters;
  for (int t = 0; t < sources; ++t) {
    for (int e = 0; e < sources; ++e) {
      if (e != t && !options.permute) continue;
      const int column = options.permute ? e * channels : 0;
      AddPair(solution.filters[0], by_own[t].slice(2, column, column + channels), t, e);
    }
  }
  by_references_ = torch::stack(reference_rows_);
  by_errors_ = torch::stack(error_rows_);
  reference_rows_.clear();
  error_rows_.clear();
}

std::vector<std::vector<WindowFigures>> Projections::Of(const CorrelationRows& windows) const {
  const torch::Tensor references = windows.references();
  const torch::Tensor forms = references.mm(by_references_.t());
  const torch::Tensor products = windows.errors().mm(by_errors_.t());
  const torch::Tensor energies = windows.error_energies();
  const auto form = forms.accessor<double, 2>(), product = products.accessor<double, 2>();
  const auto energy = energies.accessor<double, 2>(), lag = references.accessor<double, 2>();
  std::vector<std::vector<WindowFigures>> figures(static_cast<std::size_t>(windows.count()),
                                                  std::vector<WindowFigures>(pairs_.size()));
  for (std::int64_t w = 0; w < windows.count(); ++w) {
    if (windows.has_silence(w)) continue;
    for (std::size_t p = 0; p < pairs_.size(); ++p) {
      const auto pair = static_cast<std::int64_t>(p);
      const auto f = [&](int row) { return form[w][pair * kForms + row]; };
      const auto g = [&](int row) { return product[w][pair * kProducts + row]; };
      const auto [t, e] = pairs_[p];
      double truth = 0, error = 2 * g(kErrorSwap) + f(kSwap);
      for (int c = 0; c < channels_; ++c) {
        const int reference = t * channels_ + c;
        truth += lag[w][zero_lag_[reference][reference] * (2 * length_ - 1) + length_ - 1];
        error += energy[w][e * channels_ + c];
      }
      const double artefacts = error - 2 * (g(kErrorAll) + f(kSwapAll)) + f(kAll);
      WindowFigures& result = figures[static_cast<std::size_t>(w)][p];
      if (by_sources_) {
        const double rest = error - 2 * (g(kErrorOwn) + f(kSwapOwn)) + f(kOwn);
        result.sdr = DbAboveRounding(f(kFiltered), rest);
      } else {
        // An exact estimate has no distortion; in museval's arithmetic only if its filters are
        // trivial.
        const bool trivial = f(kOwn) + f(kInterference) <= truth * kRounding;
        result.sdr = error <= 0 && trivial ? std::numeric_limits<double>::infinity()
                                           : DbAboveRounding(truth, error);
        result.isr = DbAboveRounding(truth, f(kOwn));
      }
      result.sir = DbAboveRounding(f(kFiltered), f(kInterference));
      result.sar = DbAboveRounding(f(kProjected), artefacts);
    }
  }
  return figures;
}

// Lags 0 … L−1 of references `i` and `k`: the sum of x_i[t − d] x_k[t].
torch::Tensor Projections::Lags(const Correlations& from, int i, int k) const {
  const torch::Tensor pair = from.references[zero_lag_[i][k]];
  return (i <= k ? pair : pair.flip(0)).slice(0, length_ - 1);
}

// [C, L, C]: correlations of reference t with the error of estimate e against it.
torch::Tensor Projections::Errors(const Correlations& from, int t, int e) const {
  torch::Tensor right = torch::zeros({channels_, length_, channels_}, torch::kDouble);
  for (int i = 0; i < channels_; ++i) {
    for (int c = 0; c < channels_; ++c) {
      const int own = t * channels_ + i, estimate = e * channels_ + c, truth = t * channels_ + c;
      right[i].select(1, c).copy_(from.errors[own][estimate]);
      if (e != t) right[i].select(1, c).add_(Lags(from, own, estimate) - Lags(from, own, truth));
    }
  }
  return right;
}

// `filters` [I, L, I] of projections on all references, `own` [C, L, C] on t.
void Projections::AddPair(const torch::Tensor& filters, const torch::Tensor& own, int t, int e) {
  const int all = sources_ * channels_;
  torch::Tensor forms = torch::zeros(
      {kForms, static_cast<std::int64_t>(all) * (all + 1) / 2, 2 * length_ - 1}, torch::kDouble);
  torch::Tensor products = torch::zeros({kProducts, all, all, length_}, torch::kDouble);
  for (int c = 0; c < channels_; ++c) {
    const int estimate = e * channels_ + c, truth = t * channels_ + c;
    torch::Tensor unit = torch::zeros({all, length_}, torch::kDouble);
    unit[truth][0] = 1;
    torch::Tensor swap = -unit;
    swap[estimate][0] += 1;  // all zero where e is t
    const torch::Tensor p = filters.select(2, estimate) + swap, p_t = torch::zeros_like(p);
    p_t.slice(0, t * channels_, (t + 1) * channels_).copy_(own.select(2, c));
    AddForm(p_t, p_t, forms[kOwn]);
    AddForm(p - p_t, p - p_t, forms[kInterference]);
    AddForm(unit + p_t, unit + p_t, forms[kFiltered]);
    AddForm(unit + p, unit + p, forms[kProjected]);
    AddForm(p, p, forms[kAll]);
    if (e != t) {
      AddForm(swap, p, forms[kSwapAll]);
      AddForm(swap, p_t, forms[kSwapOwn]);
      AddForm(swap, swap, forms[kSwap]);
    }
    products[kErrorAll].select(1, estimate).add_(p);
    products[kErrorOwn].select(1, estimate).add_(p_t);
    products[kErrorSwap].select(1, estimate).add_(swap);
  }
  pairs_.emplace_back(t, e);
  for (int row = 0; row < kForms; ++row) reference_rows_.push_back(forms[row].flatten());
  for (int row = 0; row < kProducts; ++row) error_rows_.push_back(products[row].flatten());
}

// Adds what the references' correlations [pairs, 2L − 1] are to be multiplied with to give aᵀ G
// b. a, b [I, L].
void Projections::AddForm(const torch::Tensor& a, const torch::Tensor& b,
                          torch::Tensor form) const {
  const std::int64_t size = 2 * length_;
  const torch::Tensor fa = torch::fft_rfft(a, size), fb = torch::fft_rfft(b, size).conj();
  std::vector<std::int64_t> first, second;
  for (const auto& [i, k] : ReferencePairs(sources_ * channels_)) {
    first.push_back(i);
    second.push_back(k);
  }
  const torch::Tensor i = torch::tensor(first), k = torch::tensor(second);
  // Σ_m a_i[m + d] b_k[m], lags −(L−1) … L−1 in order.
  const auto lags = [&](const torch::Tensor& rows_a, const torch::Tensor& rows_b) {
    return torch::fft_irfft(fa.index_select(0, rows_a) * fb.index_select(0, rows_b), size)
        .roll(length_ - 1, 1)
        .slice(1, 0, size - 1);
  };
  const torch::Tensor other =
      torch::where((i == k).unsqueeze(1), torch::zeros({1}, torch::kDouble), lags(k, i).flip(1));
  form.add_(lags(i, k)).add_(other);
}

}  // namespace stemsmith
