// Spectral convergence and differences of magnitudes at several resolutions, averaged: Yamamoto,
// Song, Kim 2020, "Parallel WaveGAN" (arXiv:1910.11480), whose sizes are the defaults. Magnitudes
// are sqrt(max(power, 1e-7)), as in github.com/kan-bayashi/ParallelWaveGAN.
#include "core/error.h"
#include "core/error.h"
#include "train/losses/domain.h"

namespace stemsmith {
namespace {

class MultiResolutionStft : public Loss {
 public:
  MultiResolutionStft(const Config& config, const LossSetting& setting)
      : convergence_(config.NumberIn("spectral_convergence", 1.0, 0.0, 1e9)),
        log_(config.NumberIn("log_magnitude", 1.0, 0.0, 1e9)),
        linear_(config.NumberIn("linear_magnitude", 0.0, 0.0, 1e9)) {
    const auto n_ffts = Sizes(config, "n_ffts", {1024, 2048, 512});
    const auto hops = Sizes(config, "hops", {120, 240, 50});
    const auto windows = Sizes(config, "windows", {600, 1200, 240});
    if (n_ffts.empty() || hops.size() != n_ffts.size() || windows.size() != n_ffts.size()) {
      throw Error::Usage("n_ffts, hops and windows must be lists of one length", config.Where(),
                         "give each resolution its three sizes");
    }
    for (std::size_t i = 0; i < n_ffts.size(); ++i) {
      if (windows[i] > n_ffts[i] || hops[i] > windows[i] || n_ffts[i] < 2) {
        throw Error::Usage("a hop must not be longer than its window, nor that than its n_fft",
                           config.Where(), "the defaults have hop = n_fft / 8.5");
      }
      transforms_.emplace_back(n_ffts[i], hops[i], windows[i], setting.device);
    }
  }

  torch::Tensor PerStem(const torch::Tensor& estimates,
                        const torch::Tensor& targets) const override {
    torch::Tensor sum;
    for (const SpectrumOf& transform : transforms_) {
      const torch::Tensor x = Magnitudes(transform, estimates), y = Magnitudes(transform, targets);
      const auto dims = AllButStems(y);
      torch::Tensor loss = convergence_ * SpectralConvergence(x, y);
      if (log_ > 0) loss = loss + log_ * (x.log() - y.log()).abs().mean(dims);
      if (linear_ > 0) loss = loss + linear_ * (x - y).abs().mean(dims);
      sum = sum.defined() ? sum + loss : loss;
    }
    return sum / static_cast<double>(transforms_.size());
  }

 private:
  static torch::Tensor Magnitudes(const SpectrumOf& transform, const torch::Tensor& audio) {
    return torch::view_as_real(transform(audio)).square().sum(-1).clamp_min(kSilentPower).sqrt();
  }

  double convergence_, log_, linear_;
  std::vector<SpectrumOf> transforms_;
};

}  // namespace

std::unique_ptr<Loss> MakeMultiResolutionStft(const Config& config, const LossSetting& setting) {
  return std::make_unique<MultiResolutionStft>(config, setting);
}

}  // namespace stemsmith
