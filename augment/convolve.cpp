#include "augment/convolve.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <new>
#include <type_traits>

namespace stemsmith {
namespace {

using Spectrum = Convolver::Spectrum;

// Longer transforms take less work per frame, but leave the second-level cache.
constexpr int kLargestFft = 16384;

// kissfft with its interleaved bins; each user has its own.
class Fft {
 public:
  Fft(int n_fft, bool inverse)
      : plan_(kiss_fftr_alloc(n_fft, inverse ? 1 : 0, nullptr, nullptr)),
        bins_(static_cast<std::size_t>(n_fft / 2 + 1)) {
    if (plan_ == nullptr) throw std::bad_alloc();
  }
  void Forward(const float* in, Spectrum& out) {
    kiss_fftr(plan_.get(), in, bins_.data());
    out.real.resize(bins_.size());
    out.imaginary.resize(bins_.size());
    for (std::size_t k = 0; k < bins_.size(); ++k) {
      out.real[k] = bins_[k].r;
      out.imaginary[k] = bins_[k].i;
    }
  }
  void Inverse(const Spectrum& in, float* out) {
    for (std::size_t k = 0; k < bins_.size(); ++k) bins_[k] = {in.real[k], in.imaginary[k]};
    kiss_fftri(plan_.get(), bins_.data(), out);
  }

 private:
  struct FreePlan {
    void operator()(kiss_fftr_cfg plan) const { kiss_fftr_free(plan); }
  };
  std::unique_ptr<std::remove_pointer_t<kiss_fftr_cfg>, FreePlan> plan_;
  std::vector<kiss_fft_cpx> bins_;
};

// sum += a · b
void AddProduct(const Spectrum& a, const Spectrum& b, Spectrum& sum) {
  const float *ar = a.real.data(), *ai = a.imaginary.data();
  const float *br = b.real.data(), *bi = b.imaginary.data();
  float *sr = sum.real.data(), *si = sum.imaginary.data();
  const std::size_t bins = sum.real.size();
  for (std::size_t k = 0; k < bins; ++k) {
    sr[k] += ar[k] * br[k] - ai[k] * bi[k];
    si[k] += ar[k] * bi[k] + ai[k] * br[k];
  }
}

}  // namespace

Convolver::Convolver(std::span<const float> response) {
  assert(!response.empty());
  n_fft_ = 256;
  while (n_fft_ < kLargestFft && n_fft_ < 2 * static_cast<std::int64_t>(response.size()))
    n_fft_ *= 2;
  Fft fft(n_fft_, false);
  std::vector<float> padded(static_cast<std::size_t>(n_fft_));
  while (!response.empty()) {
    const auto taps = response.first(std::min(response.size(), padded.size() / 2));
    // kissfft does not scale its inverse: the response carries the factor.
    const auto end = std::transform(taps.begin(), taps.end(), padded.begin(),
                                    [this](float tap) { return tap / static_cast<float>(n_fft_); });
    std::fill(end, padded.end(), 0.0f);
    fft.Forward(padded.data(), parts_.emplace_back());
    response = response.subspan(taps.size());
  }
}

void Convolver::Run(float* samples, std::int64_t frames) const {
  Fft forward(n_fft_, false), inverse(n_fft_, true);
  const std::int64_t block = n_fft_ / 2;
  // The block before and the one at hand; of what comes back the second half is the result.
  std::vector<float> buffer(static_cast<std::size_t>(n_fft_), 0.0f), result(buffer.size());
  std::vector<Spectrum> past(parts_.size());  // of the last blocks, block b at b modulo the size
  Spectrum sum;
  for (std::int64_t b = 0; b * block < frames; ++b) {
    const std::int64_t length = std::min(block, frames - b * block);
    std::copy(buffer.begin() + block, buffer.end(), buffer.begin());
    std::fill(std::copy_n(samples + b * block, length, buffer.begin() + block), buffer.end(), 0.0f);
    const auto count = static_cast<std::int64_t>(past.size());
    forward.Forward(buffer.data(), past[static_cast<std::size_t>(b % count)]);
    sum.real.assign(static_cast<std::size_t>(n_fft_ / 2 + 1), 0.0f);
    sum.imaginary.assign(sum.real.size(), 0.0f);
    for (std::int64_t p = 0; p < std::min(count, b + 1); ++p)
      AddProduct(past[static_cast<std::size_t>((b - p) % count)],
                 parts_[static_cast<std::size_t>(p)], sum);
    inverse.Inverse(sum, result.data());
    std::copy_n(result.begin() + block, length, samples + b * block);
  }
}

}  // namespace stemsmith
