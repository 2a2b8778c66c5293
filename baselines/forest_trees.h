// What the module libstemsmith_opencv.so gives to the random forest: trees that are grown, written
// as text and asked. Plain data, so that nothing of OpenCV is seen outside of the module. Both
// throw std::runtime_error with OpenCV's words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace stemsmith {

struct GrowRequest {
  const float* rows = nullptr;     // [count, columns]
  const float* targets = nullptr;  // [count]
  std::size_t count = 0, columns = 0;
  int trees = 1;
  int depth = 12;          // at most
  int smallest_leaf = 10;  // rows that a leaf holds at least, about
  int tried_columns = 0;   // per split; 0: the root of their number
  std::uint64_t seed = 1;
};
// The symbol `stemsmith_grow_trees`: the trees, as OpenCV writes them. The same request gives the
// same text. Thread-safe; works on one thread.
using GrowTreesFunction = std::string (*)(const GrowRequest& request);

class Trees {
 public:
  virtual ~Trees() = default;
  // The mean of the trees for each of `count` rows → out. Thread-safe.
  virtual void Ask(const float* rows, std::size_t count, float* out) const = 0;
};
// The symbol `stemsmith_read_trees`.
using ReadTreesFunction = std::unique_ptr<Trees> (*)(const std::string& text, std::size_t columns);

}  // namespace stemsmith
