#include "augment/convolve.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <new>
#include <type_traits>

namespace stemsmith {
namespace {

struct FreePlan {
  void operator()(kiss_fftr_cfg plan) const { kiss_fftr_free(plan); }
};
using Plan = std::unique_ptr<std::remove_pointer_t<kiss_fftr_cfg>, FreePlan>;

Plan MakePlan(int n_fft, bool inverse) {
  Plan plan(kiss_fftr_alloc(n_fft, inverse ? 1 : 0, nullptr, nullptr));
  if (plan == nullptr) throw std::bad_alloc();
  return plan;
}

kiss_fft_cpx* Bins(std::vector<std::complex<float>>& spectrum) {
  static_assert(sizeof(kiss_fft_cpx) == sizeof(std::complex<float>));
  return reinterpret_cast<kiss_fft_cpx*>(spectrum.data());
}

}  // namespace

Convolver::Convolver(std::span<const float> response) {
  assert(!response.empty());
  // Twice the response: half of each transform is new input.
  n_fft_ = 256;
  while (n_fft_ < 2 * static_cast<std::int64_t>(response.size())) n_fft_ *= 2;
  block_ = n_fft_ - static_cast<std::int64_t>(response.size()) + 1;
  std::vector<float> padded(static_cast<std::size_t>(n_fft_), 0.0f);
  // kissfft does not scale its inverse: the response carries the factor.
  std::transform(response.begin(), response.end(), padded.begin(),
                 [this](float tap) { return tap / static_cast<float>(n_fft_); });
  spectrum_.resize(static_cast<std::size_t>(n_fft_ / 2 + 1));
  kiss_fftr(MakePlan(n_fft_, false).get(), padded.data(), Bins(spectrum_));
}

void Convolver::Run(float* samples, std::int64_t frames) const {
  const Plan forward = MakePlan(n_fft_, false), inverse = MakePlan(n_fft_, true);
  std::vector<float> buffer(static_cast<std::size_t>(n_fft_));
  std::vector<float> tail(static_cast<std::size_t>(n_fft_ - block_), 0.0f);  // of the blocks before
  std::vector<std::complex<float>> bins(spectrum_.size());
  for (std::int64_t begin = 0; begin < frames; begin += block_) {
    const std::int64_t length = std::min(block_, frames - begin);
    std::fill(std::copy_n(samples + begin, length, buffer.begin()), buffer.end(), 0.0f);
    kiss_fftr(forward.get(), buffer.data(), Bins(bins));
    for (std::size_t k = 0; k < bins.size(); ++k) {
      // By hand: std::complex's product checks for NaN in every bin.
      const std::complex<float> a = bins[k], b = spectrum_[k];
      bins[k] = {a.real() * b.real() - a.imag() * b.imag(),
                 a.real() * b.imag() + a.imag() * b.real()};
    }
    kiss_fftri(inverse.get(), Bins(bins), buffer.data());
    // The tail is never longer than a block, so it ends in the next one.
    for (std::size_t i = 0; i < tail.size(); ++i) buffer[i] += tail[i];
    std::copy_n(buffer.begin(), length, samples + begin);
    std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(block_), buffer.end(), tail.begin());
  }
}

}  // namespace stemsmith
