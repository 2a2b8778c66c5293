#include "audio/stft.h"

#include <kiss_fftr.h>

#include <cmath>
#include <numbers>
#include <string>
#include <type_traits>

#include "core/error.h"

namespace stemsmith {
namespace {

struct FreePlan {
  void operator()(kiss_fftr_cfg plan) const { kiss_fftr_free(plan); }
};
using Plan = std::unique_ptr<std::remove_pointer_t<kiss_fftr_cfg>, FreePlan>;

// kissfft's plans hold scratch memory: each call makes its own, so that one Stft serves many
// threads.
Plan MakePlan(int n_fft, bool inverse) {
  Plan plan(kiss_fftr_alloc(n_fft, inverse ? 1 : 0, nullptr, nullptr));
  if (plan == nullptr)
    throw Error::Input("out of memory for an FFT of " + std::to_string(n_fft), "");
  return plan;
}

// Periodic Hann window.
std::vector<float> HannWindow(int n_fft) {
  std::vector<float> window(static_cast<std::size_t>(n_fft));
  for (int i = 0; i < n_fft; ++i) {
    window[static_cast<std::size_t>(i)] =
        static_cast<float>(0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * i / n_fft));
  }
  return window;
}

}  // namespace

struct Stft::Impl {
  StftOptions options;
  std::vector<float> window;  // periodic Hann, [n_fft]
};

Stft::Stft(const StftOptions& options) : impl_(std::make_unique<Impl>()) {
  if (options.n_fft < 2 || options.n_fft % 2 != 0 || options.hop < 1 ||
      options.hop > options.n_fft) {
    throw Error::Usage("an STFT needs an even n_fft and a hop from 1 to n_fft, not " +
                           std::to_string(options.n_fft) + " and " + std::to_string(options.hop),
                       "");
  }
  impl_->options = options;
  impl_->window = HannWindow(options.n_fft);
}

Stft::~Stft() = default;

int Stft::bins() const { return impl_->options.n_fft / 2 + 1; }

std::size_t Stft::frames_for(std::size_t length) const {
  return 1 + length / static_cast<std::size_t>(impl_->options.hop);
}

std::vector<std::complex<float>> Stft::Forward(std::span<const float> signal) const {
  const auto n_fft = static_cast<std::ptrdiff_t>(impl_->options.n_fft);
  const auto length = static_cast<std::ptrdiff_t>(signal.size());
  if (length <= n_fft / 2) {
    throw Error::Input("a signal of " + std::to_string(length) +
                           " frames is too short for an STFT of " + std::to_string(n_fft),
                       "", "more than half a window is needed");
  }
  const std::size_t frames = frames_for(signal.size());
  const auto bin_count = static_cast<std::size_t>(bins());
  std::vector<std::complex<float>> spectrum(frames * bin_count);
  std::vector<float> block(static_cast<std::size_t>(n_fft));
  const Plan plan = MakePlan(impl_->options.n_fft, false);
  static_assert(sizeof(kiss_fft_cpx) == sizeof(std::complex<float>));
  for (std::size_t n = 0; n < frames; ++n) {
    const std::ptrdiff_t begin = static_cast<std::ptrdiff_t>(n) * impl_->options.hop - n_fft / 2;
    for (std::ptrdiff_t i = 0; i < n_fft; ++i) {
      std::ptrdiff_t t = begin + i;
      if (t < 0) t = -t;                          // mirrored at the first sample,
      if (t >= length) t = 2 * (length - 1) - t;  // and at the last
      block[static_cast<std::size_t>(i)] =
          signal[static_cast<std::size_t>(t)] * impl_->window[static_cast<std::size_t>(i)];
    }
    kiss_fftr(plan.get(), block.data(),
              reinterpret_cast<kiss_fft_cpx*>(spectrum.data() + n * bin_count));
  }
  return spectrum;
}

std::vector<float> Stft::Inverse(std::span<const std::complex<float>> spectrum,
                                 std::size_t length) const {
  constexpr float kSmallestEnvelope = 1e-11f;
  const auto n_fft = static_cast<std::size_t>(impl_->options.n_fft);
  const auto hop = static_cast<std::size_t>(impl_->options.hop);
  const auto bin_count = static_cast<std::size_t>(bins());
  const std::size_t frames = spectrum.size() / bin_count;
  const std::size_t total = frames == 0 ? 0 : n_fft + (frames - 1) * hop;
  std::vector<float> sum(total, 0.0f), envelope(total, 0.0f), block(n_fft);
  const Plan plan = MakePlan(impl_->options.n_fft, true);
  const float scale = 1.0f / static_cast<float>(n_fft);
  for (std::size_t n = 0; n < frames; ++n) {
    kiss_fftri(plan.get(), reinterpret_cast<const kiss_fft_cpx*>(spectrum.data() + n * bin_count),
               block.data());
    for (std::size_t i = 0; i < n_fft; ++i) {
      const float weight = impl_->window[i];
      sum[n * hop + i] += scale * weight * block[i];
      envelope[n * hop + i] += weight * weight;
    }
  }
  std::vector<float> signal(length, 0.0f);
  for (std::size_t t = 0; t < length && t + n_fft / 2 < total; ++t) {
    const std::size_t i = t + n_fft / 2;
    if (envelope[i] > kSmallestEnvelope) signal[t] = sum[i] / envelope[i];
  }
  return signal;
}

struct FrameTransform::Impl {
  explicit Impl(int n_fft)
      : forward(MakePlan(n_fft, false)),
        inverse(MakePlan(n_fft, true)),
        window(HannWindow(n_fft)),
        block(window.size()) {}
  Plan forward, inverse;
  std::vector<float> window, block;
};

FrameTransform::FrameTransform(int n_fft) : impl_(std::make_unique<Impl>(n_fft)) {}

FrameTransform::~FrameTransform() = default;

std::span<const float> FrameTransform::window() const { return impl_->window; }

void FrameTransform::Forward(const float* samples, std::complex<float>* spectrum) {
  for (std::size_t i = 0; i < impl_->block.size(); ++i)
    impl_->block[i] = samples[i] * impl_->window[i];
  kiss_fftr(impl_->forward.get(), impl_->block.data(), reinterpret_cast<kiss_fft_cpx*>(spectrum));
}

void FrameTransform::Inverse(const std::complex<float>* spectrum, float* samples) {
  kiss_fftri(impl_->inverse.get(), reinterpret_cast<const kiss_fft_cpx*>(spectrum), samples);
  const float scale = 1.0f / static_cast<float>(impl_->window.size());
  for (std::size_t i = 0; i < impl_->window.size(); ++i) samples[i] *= scale * impl_->window[i];
}

struct WindowMagnitudes::Impl {
  Impl(int n_fft, StftWindow shape)
      : plan(MakePlan(n_fft, false)),
        window(shape == StftWindow::kHann
                   ? HannWindow(n_fft)
                   : std::vector<float>(static_cast<std::size_t>(n_fft), 1.0f)),
        block(static_cast<std::size_t>(n_fft)),
        spectrum(static_cast<std::size_t>(n_fft / 2 + 1)) {}
  Plan plan;
  std::vector<float> window, block;
  std::vector<kiss_fft_cpx> spectrum;
};

WindowMagnitudes::WindowMagnitudes(int n_fft, StftWindow window)
    : impl_(std::make_unique<Impl>(n_fft, window)) {}

WindowMagnitudes::~WindowMagnitudes() = default;

void WindowMagnitudes::operator()(const float* samples, float* magnitudes) {
  Impl& impl = *impl_;
  for (std::size_t i = 0; i < impl.block.size(); ++i) impl.block[i] = samples[i] * impl.window[i];
  kiss_fftr(impl.plan.get(), impl.block.data(), impl.spectrum.data());
  for (std::size_t f = 0; f < impl.spectrum.size(); ++f) {
    const kiss_fft_cpx bin = impl.spectrum[f];
    magnitudes[f] = std::sqrt(bin.r * bin.r + bin.i * bin.i);
  }
}

}  // namespace stemsmith
