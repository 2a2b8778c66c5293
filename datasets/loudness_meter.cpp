#include "datasets/loudness_meter.h"

#include <ebur128.h>

#include <algorithm>
#include <cmath>
#include <new>

namespace stemsmith {
namespace {

constexpr int kLowestRateHz = 4000;

struct Destroy {
  void operator()(ebur128_state* state) const { ebur128_destroy(&state); }
};

}  // namespace

struct LoudnessMeter::Impl {
  int channels;
  std::vector<std::unique_ptr<ebur128_state, Destroy>> stems;
  std::vector<float> block;  // of one stem, [T, C]
};

LoudnessMeter::LoudnessMeter(int stems, int channels, int sample_rate_hz)
    : impl_(std::make_unique<Impl>()) {
  impl_->channels = channels;
  if (sample_rate_hz < kLowestRateHz) return;
  for (int s = 0; s < stems; ++s) {
    impl_->stems.emplace_back(ebur128_init(static_cast<unsigned>(channels),
                                           static_cast<unsigned long>(sample_rate_hz),
                                           EBUR128_MODE_I));
    if (!impl_->stems.back()) throw std::bad_alloc();
  }
}

LoudnessMeter::~LoudnessMeter() = default;

void LoudnessMeter::Add(const float* interleaved, std::size_t frames) {
  const std::size_t channels = static_cast<std::size_t>(impl_->channels);
  const std::size_t columns = impl_->stems.size() * channels;
  impl_->block.resize(frames * channels);
  for (std::size_t s = 0; s < impl_->stems.size(); ++s) {
    const float* in = interleaved + s * channels;
    for (std::size_t t = 0; t < frames; ++t)
      std::copy_n(in + t * columns, channels, impl_->block.data() + t * channels);
    // Fails for want of memory alone.
    if (ebur128_add_frames_float(impl_->stems[s].get(), impl_->block.data(), frames) !=
        EBUR128_SUCCESS) {
      throw std::bad_alloc();
    }
  }
}

std::vector<double> LoudnessMeter::Measure(double silent) const {
  std::vector<double> loudness;
  for (const auto& stem : impl_->stems) {
    double lufs = silent;
    const bool measured = ebur128_loudness_global(stem.get(), &lufs) == EBUR128_SUCCESS;
    loudness.push_back(measured && std::isfinite(lufs) ? lufs : silent);
  }
  return loudness;
}

}  // namespace stemsmith
