// What sources and mixture of a song have in common, by the inner products of their samples:
// whether one of them is the sum of others, and at which level. Private to the doctor.
#pragma once

#include <cstddef>
#include <vector>

namespace stemsmith {

// The inner products of all parts of a song, taken as it is decoded. Of songs with many parts every
// so many frames are taken alone, so that the work per frame is bounded: a sum is one in every
// frame. Memory: a number per pair. One thread at a time.
class PartProducts {
 public:
  explicit PartProducts(std::size_t parts);
  // A block per part, [T, C]; empty ones count as silence.
  void Add(const std::vector<std::vector<float>>& blocks, std::size_t frames, int channels);
  double operator()(std::size_t a, std::size_t b) const { return products_[a * parts_ + b]; }
  std::size_t parts() const { return parts_; }

 private:
  std::size_t parts_, step_;
  std::size_t skip_ = 0;  // frames until the next one that is taken
  std::vector<double> products_;
};

// A part against the sum of others.
struct Comparison {
  double part = 0, sum = 0, product = 0;

  // The gain with which the sum is nearest to the part (least squares).
  double BestGain() const { return sum > 0 ? product / sum : 0; }
  // Energy of part − gain · sum, relative to the part's, which must not be 0.
  double ResidualDb(double gain) const;
  // The least that a gain above 0 leaves; 0 dB where none helps.
  double LeastResidualDb() const;
};
Comparison ComparePart(const PartProducts& products, std::size_t part,
                       const std::vector<std::size_t>& others);

// Whether `part`, at the best gain, holds at least two of the others and half of those that are
// heard in it. A mixture does; a loud stem that merely dominates a mixture beside it does not.
bool HoldsTheOthers(const PartProducts& products, std::size_t part,
                    const std::vector<std::size_t>& others);

}  // namespace stemsmith
