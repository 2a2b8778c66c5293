#include "picture/waveform_peaks.h"

#include <algorithm>

namespace stemsmith {
namespace {

constexpr std::size_t kFinePerPart = 32;

WaveformPeaks::Part Both(const WaveformPeaks::Part& a, const WaveformPeaks::Part& b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

}  // namespace

WaveformPeaks::WaveformPeaks(std::size_t most_parts) : most_parts_(most_parts) {}

void WaveformPeaks::Add(const float* interleaved, int channels, std::size_t frames) {
  for (std::size_t t = 0; t < frames; ++t, interleaved += channels) {
    const auto [low, high] = std::minmax_element(interleaved, interleaved + channels);
    const Part frame{*low, *high};
    if (frames_++ % step_ != 0) {
      fine_.back() = Both(fine_.back(), frame);
      continue;
    }
    if (fine_.size() == kFinePerPart * most_parts_) {
      for (std::size_t i = 0; i < fine_.size() / 2; ++i)
        fine_[i] = Both(fine_[2 * i], fine_[2 * i + 1]);
      fine_.resize(fine_.size() / 2);
      step_ *= 2;
    }
    fine_.push_back(frame);
  }
}

std::vector<WaveformPeaks::Part> WaveformPeaks::Parts() const {
  const std::size_t count = std::min(most_parts_, static_cast<std::size_t>(frames_));
  std::vector<Part> parts(count);
  // The number of the fine part that begins nearest to the border before part i.
  const auto border = [&](std::size_t i) {
    const double frame = static_cast<double>(frames_) * static_cast<double>(i) /
                         static_cast<double>(count);
    const double fine = frame / static_cast<double>(step_);
    return std::min(fine_.size(), static_cast<std::size_t>(fine + 0.5));
  };
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = i + 1 == count ? fine_.size() : border(i + 1);
    parts[i] = fine_[border(i)];
    for (std::size_t f = border(i) + 1; f < end; ++f) parts[i] = Both(parts[i], fine_[f]);
  }
  return parts;
}

}  // namespace stemsmith
