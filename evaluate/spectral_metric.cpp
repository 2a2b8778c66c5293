#include "evaluate/spectral_metric.h"

namespace stemsmith {

SpectralMetric::SpectralMetric(int channels, const Options& options)
    : channels_(channels),
      options_(options),
      spectrum_(options.n_fft, options.window),
      signals_(static_cast<std::size_t>(2 * channels)),
      reference_(static_cast<std::size_t>(options.n_fft / 2 + 1)),
      estimate_(reference_.size()) {}

// Half a window of zeros or of the signal mirrored at its first or last sample.
void SpectralMetric::Pad(bool at_end) {
  const auto half = static_cast<std::size_t>(options_.n_fft / 2);
  for (std::vector<float>& signal : signals_) {
    std::vector<float> edge(half, 0.0f);
    if (options_.edge == MetricEdge::kReflect) {
      for (std::size_t i = 0; i < half; ++i)
        edge[i] = at_end ? signal[signal.size() - 2 - i] : signal[half - i];
    }
    signal.insert(at_end ? signal.end() : signal.begin(), edge.begin(), edge.end());
  }
}

void SpectralMetric::Add(const float* const* reference, const float* const* estimate,
                         std::size_t frames) {
  for (int c = 0; c < channels_; ++c) {
    auto& r = signals_[static_cast<std::size_t>(c)];
    auto& e = signals_[static_cast<std::size_t>(channels_ + c)];
    r.insert(r.end(), reference[c], reference[c] + frames);
    e.insert(e.end(), estimate[c], estimate[c] + frames);
  }
  if (!begun_ && signals_[0].size() > static_cast<std::size_t>(options_.n_fft / 2)) {
    Pad(/*at_end=*/false);
    begun_ = true;
  }
  if (begun_) TakeFrames();
}

void SpectralMetric::TakeFrames() {
  const auto size = static_cast<std::size_t>(options_.n_fft);
  for (; next_ + size <= dropped_ + signals_[0].size();
       next_ += static_cast<std::size_t>(options_.hop)) {
    for (int c = 0; c < channels_; ++c) {
      spectrum_(signals_[static_cast<std::size_t>(c)].data() + (next_ - dropped_),
                reference_.data());
      spectrum_(signals_[static_cast<std::size_t>(channels_ + c)].data() + (next_ - dropped_),
                estimate_.data());
      AddFrame(reference_, estimate_);
    }
  }
  // What a mirror at the end may need stays: a window and a sample.
  const std::size_t keep = size + 1, have = signals_[0].size();
  if (have < 4 * size) return;
  const std::size_t drop = std::min(next_ - dropped_, have - keep);
  for (auto& signal : signals_)
    signal.erase(signal.begin(), signal.begin() + static_cast<std::ptrdiff_t>(drop));
  dropped_ += drop;
}

void SpectralMetric::EndPass() {
  if (begun_) {
    Pad(/*at_end=*/true);
    TakeFrames();
  }
  for (auto& signal : signals_) signal.clear();
  dropped_ = next_ = 0;
  begun_ = false;
  EndSpectralPass();
}

}  // namespace stemsmith
