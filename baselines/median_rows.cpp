// The sorting network: K. E. Batcher 1968, "Sorting networks and their applications"; in the form
// for any number of elements of Knuth, The Art of Computer Programming 3, algorithm 5.2.2M.
#include "baselines/median_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/vector_clones.h"
#include "core/vector_types.h"

namespace stemsmith {
namespace {

using Pair = std::pair<std::uint16_t, std::uint16_t>;
constexpr std::size_t kLanes = 8;
struct Lanes {
  Vector<float, kLanes> values;
};

std::vector<Pair> SortingNetwork(std::size_t count) {
  std::vector<Pair> pairs;
  if (count < 2) return pairs;
  const std::size_t top = std::bit_ceil(count) / 2;
  for (std::size_t p = top; p > 0; p /= 2) {
    std::size_t q = top, r = 0, d = p;
    for (;;) {
      for (std::size_t i = 0; i + d < count; ++i)
        if ((i & p) == r)
          pairs.emplace_back(static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(i + d));
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
  return pairs;
}

// Eight columns from `column` on; `lanes` holds a row each meanwhile.
STEMSMITH_VECTOR_CLONES
void MedianOfLanes(const float* const* rows, std::size_t count, std::size_t column,
                   const Pair* pairs, std::size_t pair_count, Lanes* lanes, float* out) {
  for (std::size_t r = 0; r < count; ++r) std::memcpy(&lanes[r], rows[r] + column, sizeof(Lanes));
  for (std::size_t i = 0; i < pair_count; ++i) {
    const auto a = lanes[pairs[i].first].values, b = lanes[pairs[i].second].values;
    lanes[pairs[i].first].values = a < b ? a : b;
    lanes[pairs[i].second].values = a < b ? b : a;
  }
  Lanes median = lanes[count / 2];
  if (count % 2 == 0) median.values = (lanes[count / 2 - 1].values + median.values) * 0.5f;
  std::memcpy(out, &median, sizeof median);
}

}  // namespace

MedianRows::MedianRows(std::size_t rows) : rows_(rows) {
  const std::vector<Pair> all = SortingNetwork(rows);
  std::vector<bool> needed(rows, false);
  needed[rows / 2] = true;
  if (rows % 2 == 0) needed[rows / 2 - 1] = true;
  for (auto pair = all.rbegin(); pair != all.rend(); ++pair) {
    if (!needed[pair->first] && !needed[pair->second]) continue;
    needed[pair->first] = needed[pair->second] = true;
    pairs_.push_back(*pair);
  }
  std::reverse(pairs_.begin(), pairs_.end());
}

void MedianRows::operator()(const float* const* rows, std::size_t columns, float* out) const {
  std::vector<Lanes> lanes(rows_);
  std::size_t column = 0;
  for (; column + kLanes <= columns; column += kLanes)
    MedianOfLanes(rows, rows_, column, pairs_.data(), pairs_.size(), lanes.data(), out + column);
  if (column == columns) return;
  // The last ones, filled up with zeros.
  std::vector<float> rest(rows_ * kLanes, 0.0f);
  std::vector<const float*> rest_rows(rows_);
  for (std::size_t r = 0; r < rows_; ++r) {
    std::copy(rows[r] + column, rows[r] + columns, rest.data() + r * kLanes);
    rest_rows[r] = rest.data() + r * kLanes;
  }
  float last[kLanes];
  MedianOfLanes(rest_rows.data(), rows_, 0, pairs_.data(), pairs_.size(), lanes.data(), last);
  std::copy_n(last, columns - column, out + column);
}

std::size_t MirroredIndex(std::ptrdiff_t index, std::size_t length) {
  const auto period = static_cast<std::ptrdiff_t>(2 * length);
  const std::ptrdiff_t folded = ((index % period) + period) % period;
  return static_cast<std::size_t>(std::min(folded, period - 1 - folded));
}

}  // namespace stemsmith
