#include "audio/xiph_channels.h"

#include <algorithm>
#include <numeric>

namespace stemsmith {

std::vector<int> XiphSpeakers(int channels) {
  switch (channels) {
    case 3:
      return {0, 2, 1};
    case 5:
      return {0, 2, 1, 4, 5};
    case 6:
      return {0, 2, 1, 4, 5, 3};
    case 7:
      return {0, 2, 1, 9, 10, 8, 3};
    case 8:
      return {0, 2, 1, 9, 10, 4, 5, 3};
    default:
      return {};
  }
}

std::vector<std::size_t> OrderOfSpeakers(const std::vector<int>& speakers) {
  std::vector<std::size_t> order(speakers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return speakers[a] < speakers[b]; });
  return order;
}

}  // namespace stemsmith
