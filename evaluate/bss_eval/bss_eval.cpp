#include "evaluate/bss_eval/bss_eval.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "evaluate/bss_eval/block_toeplitz.h"
#include "evaluate/bss_eval/correlations.h"

namespace stemsmith {
namespace {

// Below this share of its own energy a channel's rest is rounding.
constexpr double kDependent = 1e-14;
// 10^(−310/10): where double precision ends.
constexpr double kRounding = 1e-31;
constexpr std::size_t kKeptWindows = 1024;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

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

// The filters of a song or of a window, and what figures of a stretch are made of.
class Projections {
 public:
  Projections(const Correlations& from, int sources, int channels, const BssEvalOptions& options)
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

  struct Figures {
    double sdr = kNaN, isr = kNaN, sir = kNaN, sar = kNaN;
  };
  // Of the pairs (reference, estimate) in the order that they were added.
  std::vector<Figures> Of(const Correlations& stretch) const {
    const torch::Tensor forms = by_references_.mv(stretch.references.flatten());
    const torch::Tensor products = by_errors_.mv(stretch.errors.flatten());
    const auto form = forms.accessor<double, 1>(), product = products.accessor<double, 1>();
    const auto energy = stretch.error_energies.accessor<double, 1>();
    std::vector<Figures> figures;
    for (std::size_t p = 0; p < pairs_.size(); ++p) {
      const auto f = [&](int row) { return form[static_cast<std::int64_t>(p) * kForms + row]; };
      const auto g = [&](int row) {
        return product[static_cast<std::int64_t>(p) * kProducts + row];
      };
      const auto [t, e] = pairs_[p];
      double truth = 0, error = 2 * g(kErrorSwap) + f(kSwap);
      for (int c = 0; c < channels_; ++c) {
        const int reference = t * channels_ + c;
        truth += stretch.references[zero_lag_[reference][reference]][length_ - 1].item<double>();
        error += energy[e * channels_ + c];
      }
      const double artefacts = error - 2 * (g(kErrorAll) + f(kSwapAll)) + f(kAll);
      Figures& result = figures.emplace_back();
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
    return figures;
  }

  const std::vector<std::pair<int, int>>& pairs() const { return pairs_; }
  int dependent_channels = 0, iterations = 0;
  double last_gain = 0;

 private:
  // With u the error of estimate e against reference t, P the projection on all references, P_t on
  // t: energies of P_t u, (P − P_t) u, x_t + P_t u, x_t + P u, P u; and, where e is not the
  // estimate of t and u is that of e's own with v = x_e − x_t added, products of v with P u, P_t u
  // and itself.
  enum { kOwn, kInterference, kFiltered, kProjected, kAll, kSwapAll, kSwapOwn, kSwap, kForms };
  // Products of e's own error with P u, P_t u and v.
  enum { kErrorAll, kErrorOwn, kErrorSwap, kProducts };

  // Gives the channels of `all` that are not among `kept` white noise of their own in place of what
  // they share with others, and no part of the right side: their filters are zero.
  static void LeaveOut(const std::vector<int>& all, const std::vector<int>& kept,
                       torch::Tensor lags, torch::Tensor right) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (std::find(kept.begin(), kept.end(), all[i]) != kept.end()) continue;
      const auto row = static_cast<std::int64_t>(i);
      lags.select(0, row).zero_();
      lags.select(1, row).zero_();
      lags[row][row][0] = 1;
      right[row].zero_();
    }
  }

  // Lags 0 … L−1 of references `i` and `k`: the sum of x_i[t − d] x_k[t].
  torch::Tensor Lags(const Correlations& from, int i, int k) const {
    const torch::Tensor pair = from.references[zero_lag_[i][k]];
    return (i <= k ? pair : pair.flip(0)).slice(0, length_ - 1);
  }

  // [C, L, C]: correlations of reference t with the error of estimate e against it.
  torch::Tensor Errors(const Correlations& from, int t, int e) const {
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
  void AddPair(const torch::Tensor& filters, const torch::Tensor& own, int t, int e) {
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
  void AddForm(const torch::Tensor& a, const torch::Tensor& b, torch::Tensor form) const {
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

  const int sources_, channels_;
  const std::int64_t length_;
  const bool by_sources_;
  std::vector<std::vector<std::int64_t>> zero_lag_;  // [I][I]: rows of Correlations::references
  std::vector<std::pair<int, int>> pairs_;
  std::vector<torch::Tensor> reference_rows_, error_rows_;
  torch::Tensor by_references_, by_errors_;  // [pairs · kForms, …], [pairs · kProducts, …]
};

struct Window {
  std::size_t begin = 0, end = 0;
};

std::vector<Window> Windows(std::size_t frames, std::size_t window, std::size_t hop) {
  if (window == 0 || window >= frames) return {{0, frames}};
  std::vector<Window> windows;
  for (std::size_t begin = 0; begin + window <= frames; begin += hop)
    windows.push_back({begin, begin + window});
  return windows;
}

// Correlations of the whole song, and those of windows that tile it.
struct Song {
  Correlations all;
  std::vector<Correlations> windows;
};

Song Correlate(Correlator& correlator, std::size_t frames, const std::vector<Window>& windows,
               const BssEvalOptions& options) {
  const bool tiled = options.hop == options.window && windows.size() > 1 &&
                     options.window >= static_cast<std::size_t>(options.filter_length);
  const std::size_t tile = tiled ? options.window : std::max<std::size_t>(frames, 1);
  const bool kept = (tiled || windows.size() == 1) && windows.size() <= kKeptWindows;
  Song song;
  for (std::size_t begin = 0; begin < frames; begin += tile) {
    Correlations stretch = correlator.Stretch(begin, std::min(frames, begin + tile));
    song.all.Add(stretch);
    if (kept && song.windows.size() < windows.size()) song.windows.push_back(std::move(stretch));
  }
  song.all.Add(correlator.Between());
  return song;
}

void Write(const std::vector<Projections::Figures>& figures, const Projections& projections,
           bool silent, std::size_t sources,
           std::vector<std::vector<Projections::Figures>>& table) {
  table.assign(sources, std::vector<Projections::Figures>(sources));
  if (silent) return;
  for (std::size_t p = 0; p < figures.size(); ++p) {
    const auto& [t, e] = projections.pairs()[p];
    table[static_cast<std::size_t>(t)][static_cast<std::size_t>(e)] = figures[p];
  }
}

}  // namespace

BssEvalResult BssEval(StemPair& song, const BssEvalOptions& options) {
  torch::InferenceMode inference;
  const auto sources = static_cast<std::size_t>(song.sources());
  if (sources == 0 || song.channels() == 0 || song.frames() == 0)
    throw Error::Input("a song without stems, channels or frames has no figures", "BSS eval");
  Correlator correlator(song, options.filter_length);
  const std::vector<Window> windows = Windows(song.frames(), options.window, options.hop);

  BssEvalResult result;
  // [W][S][S]: of reference and estimate.
  std::vector<std::vector<std::vector<Projections::Figures>>> tables(windows.size());
  const auto note = [&](const Projections& projections) {
    result.dependent_channels = std::max(result.dependent_channels, projections.dependent_channels);
    result.iterations = std::max(result.iterations, projections.iterations);
    result.last_gain = std::max(result.last_gain, projections.last_gain);
  };
  if (options.filters_per_window) {
    for (std::size_t w = 0; w < windows.size(); ++w) {
      const Correlations stretch = correlator.Stretch(windows[w].begin, windows[w].end);
      const Projections projections(stretch, song.sources(), song.channels(), options);
      note(projections);
      Write(projections.Of(stretch), projections, stretch.has_silence, sources, tables[w]);
    }
  } else {
    Song correlated = Correlate(correlator, song.frames(), windows, options);
    const Projections projections(correlated.all, song.sources(), song.channels(), options);
    note(projections);
    for (std::size_t w = 0; w < windows.size(); ++w) {
      const Correlations stretch = w < correlated.windows.size()
                                       ? correlated.windows[w]
                                       : correlator.Stretch(windows[w].begin, windows[w].end);
      Write(projections.Of(stretch), projections, stretch.has_silence, sources, tables[w]);
    }
  }

  // The order of estimates with the best mean SIR, of the whole song or of each window.
  std::vector<int> first(sources);
  std::iota(first.begin(), first.end(), 0);
  const auto best = [&](std::size_t from, std::size_t to) {
    std::vector<int> order = first, chosen = first;
    double highest = -std::numeric_limits<double>::infinity();
    do {
      double sum = 0;
      for (std::size_t w = from; w < to; ++w)
        for (std::size_t s = 0; s < sources; ++s)
          sum += tables[w][s][static_cast<std::size_t>(order[s])].sir;
      if (sum > highest) {
        highest = sum;
        chosen = order;
      }
    } while (options.permute && std::next_permutation(order.begin(), order.end()));
    return chosen;
  };
  if (options.filters_per_window) {
    for (std::size_t w = 0; w < windows.size(); ++w) result.order.push_back(best(w, w + 1));
  } else {
    result.order.push_back(best(0, windows.size()));
  }
  for (auto* figures : {&result.sdr, &result.isr, &result.sir, &result.sar})
    figures->assign(sources, std::vector<double>(windows.size()));
  for (std::size_t w = 0; w < windows.size(); ++w) {
    result.begins.push_back(windows[w].begin);
    const auto& order = result.order[options.filters_per_window ? w : 0];
    for (std::size_t s = 0; s < sources; ++s) {
      const Projections::Figures& figures = tables[w][s][static_cast<std::size_t>(order[s])];
      result.sdr[s][w] = figures.sdr;
      result.isr[s][w] = figures.isr;
      result.sir[s][w] = figures.sir;
      result.sar[s][w] = figures.sar;
    }
  }
  return result;
}

}  // namespace stemsmith
