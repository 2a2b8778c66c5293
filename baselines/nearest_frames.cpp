#include "baselines/nearest_frames.h"

#include <algorithm>
#include <cmath>

#include "baselines/baseline.h"
#include "baselines/matrix_product.h"

namespace stemsmith {
namespace {

struct Neighbour {
  float similarity;
  std::uint32_t frame;
  // Whether this one is kept before the other.
  bool operator<(const Neighbour& other) const {
    return similarity != other.similarity ? similarity > other.similarity : frame < other.frame;
  }
};

// The best `count` so far, as a heap whose front is the worst of them.
void Keep(std::vector<Neighbour>& best, std::size_t count, Neighbour candidate) {
  if (best.size() < count) {
    best.push_back(candidate);
    std::push_heap(best.begin(), best.end());
  } else if (count > 0 && candidate < best.front()) {
    std::pop_heap(best.begin(), best.end());
    best.back() = candidate;
    std::push_heap(best.begin(), best.end());
  }
}

constexpr std::size_t kBlock = 256;  // frames

// Frames begin … of a block, each of length 1 (or 0): [count, F]; returns the count.
std::size_t FillBlock(std::size_t begin, std::size_t frames, std::size_t bins,
                      const FrameSource& source, std::vector<float>& block) {
  const std::size_t count = std::min(kBlock, frames - begin);
  block.resize(kBlock * bins);
  for (std::size_t i = 0; i < count; ++i) {
    float* frame = block.data() + i * bins;
    source(begin + i, frame);
    double sum = 0;
    for (std::size_t f = 0; f < bins; ++f) sum += static_cast<double>(frame[f]) * frame[f];
    const float scale = sum > 0 ? static_cast<float>(1 / std::sqrt(sum)) : 0;
    for (std::size_t f = 0; f < bins; ++f) frame[f] *= scale;
  }
  return count;
}

}  // namespace

NearestFrames FindNearestFrames(std::size_t frames, std::size_t bins, const FrameSource& source,
                                const NearestOptions& options, const Host& host) {
  std::vector<std::vector<Neighbour>> best(frames);
  std::vector<float> rows, columns, similarity(kBlock * kBlock);
  // Each pair of frames once: it counts for both.
  for (std::size_t row = 0; row < frames; row += kBlock) {
    const std::size_t row_count = FillBlock(row, frames, bins, source, rows);
    for (std::size_t column = row; column < frames; column += kBlock) {
      StopIfAsked(host);
      const std::size_t column_count = FillBlock(column, frames, bins, source, columns);
      MatrixProduct({rows.data(), row_count, bins, bins},
                    {columns.data(), column_count, bins, bins, true}, similarity.data(), kBlock);
      for (std::size_t i = 0; i < row_count; ++i) {
        const std::size_t first = std::max(column, row + i + options.width);
        for (std::size_t j = first; j < column + column_count; ++j) {
          const float value = similarity[i * kBlock + (j - column)];
          Keep(best[row + i], options.count, {value, static_cast<std::uint32_t>(j)});
          Keep(best[j], options.count, {value, static_cast<std::uint32_t>(row + i)});
        }
      }
    }
  }
  NearestFrames nearest(frames);
  for (std::size_t n = 0; n < frames; ++n) {
    std::sort_heap(best[n].begin(), best[n].end());
    for (const Neighbour& neighbour : best[n]) nearest[n].push_back(neighbour.frame);
    best[n] = {};
  }
  return nearest;
}

}  // namespace stemsmith
