// STFT on plain buffers (kissfft), for what runs without torch. Same conventions as torch.stft with
// center=true, pad_mode="reflect", a periodic Hann window and onesided=true, normalized=false.
#pragma once

#include <complex>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace stemsmith {

struct StftOptions {
  int n_fft = 4096;  // even
  int hop = 1024;
};

// Safe to use from several threads at once.
class Stft {
 public:
  explicit Stft(const StftOptions& options);
  ~Stft();
  int bins() const;                                  // F = n_fft / 2 + 1
  std::size_t frames_for(std::size_t length) const;  // N = 1 + length / hop
  // One channel of T samples (T > n_fft / 2, else Error) → [N, F], frame after frame.
  std::vector<std::complex<float>> Forward(std::span<const float> signal) const;
  // [N, F] → `length` samples; inverse by weighted overlap-add with the squared window's envelope.
  std::vector<float> Inverse(std::span<const std::complex<float>> spectrum,
                             std::size_t length) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

enum class StftWindow { kHann, kRectangular };

// Spectra of one frame after another and back, for streams. One thread at a time.
class FrameTransform {
 public:
  explicit FrameTransform(int n_fft);  // even, at least 2
  ~FrameTransform();
  // n_fft samples → F = n_fft / 2 + 1 bins of their spectrum under the window above.
  void Forward(const float* samples, std::complex<float>* spectrum);
  // F bins → n_fft samples under the window: overlap-add divides their sum by that of the squared
  // windows.
  void Inverse(const std::complex<float>* spectrum, float* samples);
  std::span<const float> window() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Magnitudes of one window after another, for streams. One thread at a time.
class WindowMagnitudes {
 public:
  explicit WindowMagnitudes(int n_fft,  // even, at least 2
                            StftWindow window = StftWindow::kHann);
  ~WindowMagnitudes();
  // n_fft samples → F = n_fft / 2 + 1 magnitudes of their spectrum under the window (Hann's is
  // periodic).
  void operator()(const float* samples, float* magnitudes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
