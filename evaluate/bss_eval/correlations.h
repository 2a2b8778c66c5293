// Correlations of reference stems with each other and with the errors of their estimates, over
// stretches of a song, as BSS eval's projections need them.
//
// I = S·C channels of the references; as many of the errors u = estimate − reference. All in
// double precision.
#pragma once

#include <torch/torch.h>

#include <utility>
#include <vector>

#include "evaluate/stem_pair.h"

namespace stemsmith {

// Of a stretch, with silence before and after it.
struct Correlations {
  // [P, 2L − 1] for the P pairs (i ≤ k) of ReferencePairs(): at lag d = −(L−1) … L−1 the sum over t
  // of x_i[t − d] x_k[t].
  torch::Tensor references;
  // [I, I, L]: of reference i and error u, at lag d = 0 … L−1 the sum over t of x_i[t − d] u[t].
  torch::Tensor errors;
  torch::Tensor error_energies;  // [I]
  bool has_silence = false;      // see Correlator::Stretch()

  void Add(const Correlations& other);
};

// Those of windows one below the other, in few large pieces of memory.
class CorrelationRows {
 public:
  explicit CorrelationRows(std::size_t windows) : most_(static_cast<std::int64_t>(windows)) {}
  bool full() const { return count() == most_; }
  std::int64_t count() const { return static_cast<std::int64_t>(has_silence_.size()); }
  void Add(const Correlations& window);
  // [count, P · (2L − 1)], [count, I · I · L], [count, I].
  torch::Tensor references() const { return references_.slice(0, 0, count()); }
  torch::Tensor errors() const { return errors_.slice(0, 0, count()); }
  torch::Tensor error_energies() const { return error_energies_.slice(0, 0, count()); }
  bool has_silence(std::int64_t row) const { return has_silence_[static_cast<std::size_t>(row)]; }

 private:
  std::int64_t most_;
  torch::Tensor references_, errors_, error_energies_;  // [most, …]
  std::vector<char> has_silence_;
};

// (0, 0), (0, 1) … (0, I−1), (1, 1) … (I−1, I−1).
std::vector<std::pair<int, int>> ReferencePairs(int channels);
// [n, n, 2L] of the n channels from `first` on: lag d at index d, −d at 2L − d.
torch::Tensor CircularLags(const torch::Tensor& references, int first, int n, int channels);

// Correlations over stretches that follow each other, and over all of them together. Sums of
// products of blocks' spectra: the cost grows with the length, and memory does not.
class Correlator {
 public:
  Correlator(StemPair& song, int filter_length);
  // Of the frames [begin, end) alone. `has_silence`: of one source all channels' sum is zero
  // throughout, in its reference or in its estimate (museval 0.4.1 calls that silent).
  Correlations Stretch(std::size_t begin, std::size_t end);
  // What passes between stretches that followed each other: with all of them, the whole song. Every
  // stretch but the last has L − 1 frames at least.
  Correlations Between();

 private:
  // Reads [from, to) as [2·I, to − from]: references and errors.
  const std::vector<double>& ReadErrors(std::size_t from, std::size_t to);
  // Adds Σ_q conj(x[q, i]) y[q, k] of the first `blocks` of x_ and y_ to `sums` [pairs, F].
  void AddSpectra(std::int64_t blocks, torch::Tensor& sums);
  // Of `spectrum`, in which lag −(L−1) comes `from_end` frames before the end, or first.
  Correlations Lags(const torch::Tensor& spectrum, std::int64_t from_end) const;
  // What passes between the tail of the stretch before and the `frames` frames at `next` of each of
  // the 2·I signals, `step` apart.
  void AddBoundary(const double* next, std::size_t frames, std::size_t step);

  StemPair& song_;
  const int channels_, filter_length_;
  const std::int64_t fft_size_;
  std::vector<std::pair<int, int>> pairs_;  // channels of x and of y: references, then errors
  torch::Tensor x_, y_;                     // [blocks, I, fft_size] and [blocks, 2·I, fft_size]
  torch::Tensor x_spectra_, y_spectra_;     // of these
  torch::Tensor spectrum_, between_;        // [pairs, F]
  std::vector<double> tail_;                // [2·I, L − 1], the end of the stretch before
  std::size_t tail_end_ = 0;
  std::vector<float> samples_;  // as read
  std::vector<double> errors_;
};

}  // namespace stemsmith
