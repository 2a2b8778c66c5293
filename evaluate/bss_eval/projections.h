// The projections of estimates on references, and the figures of windows that follow from them.
#pragma once

#include <torch/torch.h>

#include <limits>
#include <utility>
#include <vector>

#include "evaluate/bss_eval/correlations.h"
#include "evaluate/bss_eval/options.h"

namespace stemsmith {

// In dB; NaN where there is none.
struct WindowFigures {
  double sdr = std::numeric_limits<double>::quiet_NaN();
  double isr = sdr, sir = sdr, sar = sdr;
};

class Projections {
 public:
  // The filters that project the errors in `from`, correlations of a song or of a window.
  Projections(const Correlations& from, int sources, int channels, const BssEvalOptions& options);

  // The pairs (reference, estimate): (0, 0), (1, 1) …, or all of them where an order is sought.
  const std::vector<std::pair<int, int>>& pairs() const { return pairs_; }
  // Of each window and pair; windows with silence have none.
  std::vector<std::vector<WindowFigures>> Of(const CorrelationRows& windows) const;

  int dependent_channels = 0, iterations = 0;  // as of BssEvalResult
  double last_gain = 0;

 private:
  // With u the error of estimate e against reference t, P the projection on all references, P_t on
  // t: energies of P_t u, (P − P_t) u, x_t + P_t u, x_t + P u, P u; and, where e is not the
  // estimate of t and u is that of e's own with v = x_e − x_t added, products of v with P u, P_t u
  // and itself.
  enum { kOwn, kInterference, kFiltered, kProjected, kAll, kSwapAll, kSwapOwn, kSwap, kForms };
  // Products of e's own error with P u, P_t u and v.
  enum { kErrorAll, kErrorOwn, kErrorSwap, kProducts };

  torch::Tensor Lags(const Correlations& from, int i, int k) const;
  torch::Tensor Errors(const Correlations& from, int t, int e) const;
  void AddPair(const torch::Tensor& filters, const torch::Tensor& own, int t, int e);
  void AddForm(const torch::Tensor& a, const torch::Tensor& b, torch::Tensor form) const;

  const int sources_, channels_;
  const std::int64_t length_;
  const bool by_sources_;
  std::vector<std::vector<std::int64_t>> zero_lag_;  // [I][I]: rows of Correlations::references
  std::vector<std::pair<int, int>> pairs_;
  std::vector<torch::Tensor> reference_rows_, error_rows_;
  torch::Tensor by_references_, by_errors_;  // [pairs · kForms, …], [pairs · kProducts, …]
};

}  // namespace stemsmith
