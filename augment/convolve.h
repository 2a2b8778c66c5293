// Convolution of one channel with an impulse response, by FFT (overlap-add, kissfft). Immutable
// once made, shared by threads.
#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace stemsmith {

class Convolver {
 public:
  // `response` holds at least one sample; its first one is at delay 0.
  explicit Convolver(std::span<const float> response);
  // In place; the tail that would follow the last frame is cut off.
  void Run(float* samples, std::int64_t frames) const;

 private:
  std::int64_t block_ = 0;  // input frames per transform
  int n_fft_ = 0;
  std::vector<std::complex<float>> spectrum_;  // of the response, [n_fft / 2 + 1]
};

}  // namespace stemsmith
