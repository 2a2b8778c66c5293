// Harmonic and percussive sounds by median filters: D. Fitzgerald 2010, "Harmonic/percussive
// separation using median filtering" (DAFx). Along time a median keeps what lasts, along frequency
// what is short and broad. Figures equal librosa.decompose.hpss(kernel_size, power, margin=1) but
// for rounding.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "baselines/median_rows.h"
#include "core/config.h"

namespace stemsmith {

struct HpssOptions {
  int harmonic_frames = 17;  // of the median along time, odd: longer keeps only what lasts longer
  int percussive_bins = 17;  // of that along frequency, odd: longer keeps only what is broader
  double power = 2;          // of the soft masks: higher divides more sharply
};
// The settings harmonic_frames, percussive_bins and mask_power; throws Error.
HpssOptions ReadHpssOptions(const Config& settings);

// One thread at a time.
class Hpss {
 public:
  explicit Hpss(const HpssOptions& options);
  // `magnitudes` are [N, F], not negative; the harmonic share of each bin of frame n → mask [F].
  // The percussive share is what is missing to 1; silence belongs to both by half.
  void HarmonicMask(std::span<const float> magnitudes, std::size_t bins, std::size_t n,
                    std::span<float> mask);

 private:
  float power_;
  MedianRows along_time_, along_frequency_;
  std::vector<const float*> rows_;
  std::vector<float> mirrored_, percussive_;
};

// x^power / (x^power + y^power), by the larger of both so that nothing overflows; 0.5 where both
// are zero. mask may be x.
void SoftMask(std::span<const float> x, std::span<const float> y, float power,
              std::span<float> mask);

}  // namespace stemsmith
