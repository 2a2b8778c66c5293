// Mel filters as of librosa.filters.mel (htk=False, norm="slaney"): Slaney's scale, linear below
// 1 kHz; each triangle has the area of a constant.
#pragma once

#include <cstddef>
#include <vector>

namespace stemsmith {

class MelFilters {
 public:
  MelFilters(int sample_rate_hz, int n_fft, int count);
  // Magnitudes [n_fft / 2 + 1] → [count].
  void operator()(const std::vector<float>& magnitudes, std::vector<float>& mel) const;

 private:
  struct Filter {
    std::size_t first = 0;
    std::vector<float> weights;
  };
  std::vector<Filter> filters_;
};

}  // namespace stemsmith
