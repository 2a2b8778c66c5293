#include "evaluate/bss_eval/bss_eval.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "evaluate/bss_eval/correlations.h"
#include "evaluate/bss_eval/projections.h"

namespace stemsmith {
namespace {

// Of a song of fewer windows all correlations are kept; of longer ones they are computed twice.
constexpr std::size_t kKeptWindows = 1024;
constexpr std::size_t kRows = 64;

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
  std::vector<CorrelationRows> windows;  // none where they are to be computed again
};

void AddRow(const Correlations& window, std::size_t windows, std::vector<CorrelationRows>& rows) {
  if (rows.empty() || rows.back().full()) rows.emplace_back(std::min(kRows, windows));
  rows.back().Add(window);
}

Song Correlate(Correlator& correlator, std::size_t frames, const std::vector<Window>& windows,
               const BssEvalOptions& options) {
  const bool tiled = options.hop == options.window && windows.size() > 1 &&
                     options.window >= static_cast<std::size_t>(options.filter_length);
  const std::size_t tile = tiled ? options.window : std::max<std::size_t>(frames, 1);
  const bool kept = (tiled || windows.size() == 1) && windows.size() <= kKeptWindows;
  Song song;
  std::size_t row = 0;
  for (std::size_t begin = 0; begin < frames; begin += tile, ++row) {
    const Correlations stretch = correlator.Stretch(begin, std::min(frames, begin + tile));
    song.all.Add(stretch);
    if (kept && row < windows.size()) AddRow(stretch, windows.size(), song.windows);
  }
  song.all.Add(correlator.Between());
  return song;
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
  std::vector<std::vector<std::vector<WindowFigures>>> tables;
  const auto add = [&](const Projections& projections, const CorrelationRows& rows) {
    for (const auto& figures : projections.Of(rows)) {
      auto& table = tables.emplace_back(sources, std::vector<WindowFigures>(sources));
      for (std::size_t p = 0; p < figures.size(); ++p) {
        const auto& [t, e] = projections.pairs()[p];
        table[static_cast<std::size_t>(t)][static_cast<std::size_t>(e)] = figures[p];
      }
    }
  };
  const auto note = [&](const Projections& projections) {
    result.dependent_channels = std::max(result.dependent_channels, projections.dependent_channels);
    result.iterations = std::max(result.iterations, projections.iterations);
    result.last_gain = std::max(result.last_gain, projections.last_gain);
  };
  if (options.filters_per_window) {
    for (const Window& window : windows) {
      const Correlations stretch = correlator.Stretch(window.begin, window.end);
      const Projections projections(stretch, song.sources(), song.channels(), options);
      note(projections);
      CorrelationRows row(1);
      row.Add(stretch);
      add(projections, row);
    }
  } else {
    Song correlated = Correlate(correlator, song.frames(), windows, options);
    const Projections projections(correlated.all, song.sources(), song.channels(), options);
    note(projections);
    for (const CorrelationRows& rows : correlated.windows) add(projections, rows);
    while (tables.size() < windows.size()) {
      CorrelationRows rows(std::min(kRows, windows.size() - tables.size()));
      for (std::size_t w = tables.size(); !rows.full(); ++w)
        rows.Add(correlator.Stretch(windows[w].begin, windows[w].end));
      add(projections, rows);
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
      const WindowFigures& figures = tables[w][s][static_cast<std::size_t>(order[s])];
      result.sdr[s][w] = figures.sdr;
      result.isr[s][w] = figures.isr;
      result.sir[s][w] = figures.sir;
      result.sar[s][w] = figures.sar;
    }
  }
  return result;
}

}  // namespace stemsmith
