// From factors to stems: soft masks by the share that each stem's components have of a bin.
#pragma once

#include <vector>

#include "baselines/nmf.h"
#include "baselines/spectral_song.h"

namespace stemsmith {

// The components of one stem, of the bins from first_bin on; none: it is silent.
struct StemFactors {
  std::size_t first_bin = 0, bins = 0;
  Factors factors;
};

// The same masks for all channels; they sum to one. `power` of the estimated magnitudes: 2 as a
// Wiener filter, higher divides more sharply. Where no component sounds, the stems get equal
// shares.
class NmfMasks : public FrameSeparator {
 public:
  NmfMasks(std::vector<StemFactors> stems, std::size_t bins, double power);
  void Separate(std::size_t n, std::span<const std::complex<float>> mixture,
                std::span<std::complex<float>> stems) override;

 private:
  std::vector<StemFactors> stems_;
  std::size_t bins_;
  float power_;
  std::vector<float> shares_, sum_;  // [S, F], [F]
};

}  // namespace stemsmith
