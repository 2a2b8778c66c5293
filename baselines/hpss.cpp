#include "baselines/hpss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/vector_clones.h"

namespace stemsmith {
namespace {

int ReadOdd(const Config& settings, const std::string& key, int standard) {
  const auto size = static_cast<int>(settings.IntegerIn(key, standard, 1, 1023));
  if (size % 2 == 0)
    throw Error::Usage("a median filter needs a middle: " + key + " must be odd",
                       settings.Where(key), "give " + std::to_string(size + 1));
  return size;
}

// No branches: it is the same for all bins.
STEMSMITH_VECTOR_CLONES
void SquareMask(const float* x, const float* y, std::size_t count, float* mask) {
  constexpr float kTiny = std::numeric_limits<float>::min();
  for (std::size_t i = 0; i < count; ++i) {
    const float largest = x[i] > y[i] ? x[i] : y[i];
    const float scale = largest < kTiny ? 1.0f : largest;
    const float a = x[i] / scale, b = y[i] / scale;
    const float sum = a * a + b * b;
    mask[i] = largest < kTiny ? 0.5f : a * a / (largest < kTiny ? 1.0f : sum);
  }
}

}  // namespace

HpssOptions ReadHpssOptions(const Config& settings) {
  HpssOptions options;
  options.harmonic_frames = ReadOdd(settings, "harmonic_frames", options.harmonic_frames);
  options.percussive_bins = ReadOdd(settings, "percussive_bins", options.percussive_bins);
  options.power = settings.NumberIn("mask_power", options.power, 0.1, 100);
  return options;
}

void SoftMask(std::span<const float> x, std::span<const float> y, float power,
              std::span<float> mask) {
  if (power == 2.0f) return SquareMask(x.data(), y.data(), mask.size(), mask.data());
  constexpr float kTiny = std::numeric_limits<float>::min();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const float largest = std::max(x[i], y[i]);
    if (largest < kTiny) {
      mask[i] = 0.5f;
      continue;
    }
    const float a = std::pow(x[i] / largest, power), b = std::pow(y[i] / largest, power);
    mask[i] = a / (a + b);
  }
}

Hpss::Hpss(const HpssOptions& options)
    : power_(static_cast<float>(options.power)),
      along_time_(static_cast<std::size_t>(options.harmonic_frames)),
      along_frequency_(static_cast<std::size_t>(options.percussive_bins)) {}

void Hpss::HarmonicMask(std::span<const float> magnitudes, std::size_t bins, std::size_t n,
                        std::span<float> mask) {
  const std::size_t frames = magnitudes.size() / bins;
  rows_.resize(along_time_.rows());
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const auto frame =
        static_cast<std::ptrdiff_t>(n + r) - static_cast<std::ptrdiff_t>(rows_.size() / 2);
    rows_[r] = magnitudes.data() + MirroredIndex(frame, frames) * bins;
  }
  along_time_(rows_.data(), bins, mask.data());

  const std::size_t size = along_frequency_.rows(), half = size / 2;
  const float* frame = magnitudes.data() + n * bins;
  mirrored_.resize(bins + size - 1);
  std::copy_n(frame, bins, mirrored_.data() + half);
  for (std::size_t i = 0; i < half; ++i) {
    mirrored_[i] = frame[MirroredIndex(
        static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(half), bins)];
    mirrored_[half + bins + i] = frame[MirroredIndex(static_cast<std::ptrdiff_t>(bins + i), bins)];
  }
  rows_.resize(size);
  for (std::size_t r = 0; r < size; ++r) rows_[r] = mirrored_.data() + r;
  percussive_.resize(bins);
  along_frequency_(rows_.data(), bins, percussive_.data());
  SoftMask(mask, percussive_, power_, mask);
}

}  // namespace stemsmith
