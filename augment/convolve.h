// Convolution of one channel with an impulse response, by FFT (kissfft). The response is cut into
// parts of one length, so that the transforms stay small enough for the processor's caches
// (overlap-save, with the spectra of the last blocks kept). Immutable once made, shared by threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace stemsmith {

class Convolver {
 public:
  // Real and imaginary parts apart, which vectorises: [n_fft / 2 + 1] each.
  struct Spectrum {
    std::vector<float> real, imaginary;
  };

  // `response` holds at least one sample; its first one is at delay 0.
  explicit Convolver(std::span<const float> response);
  // In place; the tail that would follow the last frame is cut off.
  void Run(float* samples, std::int64_t frames) const;

 private:
  int n_fft_ = 0;  // two blocks of input; a part of the response is as long as a block
  std::vector<Spectrum> parts_;  // of the response
};

}  // namespace stemsmith
