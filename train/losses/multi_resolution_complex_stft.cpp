// Differences of complex spectra with several windows, added up: what Band-Split and Mel-Band
// RoFormers are trained with beside L1 on waveforms (Lu et al. 2023, arXiv:2309.02612), with the
// sizes of the package BS-RoFormer.
#include <algorithm>

#include "core/error.h"
#include "train/losses/domain.h"

namespace stemsmith {
namespace {

class MultiResolutionComplexStft : public Loss {
 public:
  MultiResolutionComplexStft(const Config& config, const LossSetting& setting) {
    const auto windows = Sizes(config, "windows", {4096, 2048, 1024, 512, 256});
    const std::int64_t n_fft = config.IntegerIn("n_fft", 2048, 16, 1 << 20);
    const std::int64_t hop = config.IntegerIn("hop", 147, 1, 1 << 20);
    if (windows.empty()) {
      throw Error::Usage("windows is empty", config.Where("windows"),
                         "give a size in frames for each resolution, as [2048, 512]");
    }
    for (const std::int64_t window : windows) {
      if (hop > window) {
        throw Error::Usage("a hop of " + std::to_string(hop) +
                               " leaves gaps between windows of " + std::to_string(window),
                           config.Where("hop"), "give a hop no longer than any window");
      }
      // A shorter window lies in the middle of silence: its spectrum has as many bins.
      transforms_.emplace_back(std::max(window, n_fft), hop, window, setting.device);
    }
  }

  torch::Tensor PerStem(const torch::Tensor& estimates,
                        const torch::Tensor& targets) const override {
    const torch::Tensor error = estimates - targets;  // spectra are linear
    torch::Tensor sum;
    for (const SpectrumOf& transform : transforms_) {
      const torch::Tensor spectrum = transform(error);
      const torch::Tensor loss = spectrum.abs().mean(AllButStems(spectrum));
      sum = sum.defined() ? sum + loss : loss;
    }
    return sum;
  }

 private:
  std::vector<SpectrumOf> transforms_;
};

}  // namespace

std::unique_ptr<Loss> MakeMultiResolutionComplexStft(const Config& config,
                                                     const LossSetting& setting) {
  return std::make_unique<MultiResolutionComplexStft>(config, setting);
}

}  // namespace stemsmith
