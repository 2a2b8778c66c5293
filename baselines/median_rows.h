// Medians by networks of comparisons, many beside one another: the same pairs are compared for
// every column, so that there are no branches and vectors do eight columns at once. A median filter
// over a whole spectrogram is this with rows that are neighbours, or one row shifted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace stemsmith {

// Of a fixed number of rows. Safe to use from several threads at once.
class MedianRows {
 public:
  explicit MedianRows(std::size_t rows);  // 1 … 65535
  std::size_t rows() const { return rows_; }
  // out[i] becomes the median of rows[0 … rows() - 1][i]; of an even number of rows the mean of the
  // two in the middle, as numpy.median. No value may be NaN.
  void operator()(const float* const* rows, std::size_t columns, float* out) const;

 private:
  std::size_t rows_;
  // Batcher's merge exchange sort without what does not reach the middle: of each pair of rows the
  // smaller value goes to the first.
  std::vector<std::pair<std::uint16_t, std::uint16_t>> pairs_;
};

// Index of an element before or behind a row of `length`, mirrored with the outermost element twice
// (d c b a | a b c d | d c b a), however far away: the mode "reflect" of scipy.ndimage.
std::size_t MirroredIndex(std::ptrdiff_t index, std::size_t length);

}  // namespace stemsmith
