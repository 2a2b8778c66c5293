// The relative error of magnitudes (Arik, Jun, Diamos 2018, arXiv:1808.06719).
#include "train/losses/domain.h"

namespace stemsmith {
namespace {

class SpectralConvergenceLoss : public Loss {
 public:
  SpectralConvergenceLoss(const Config& config, const LossSetting& setting)
      : domain_(config, setting.device, {"magnitude", "spectrogram"}) {}
  torch::Tensor PerStem(const torch::Tensor& estimates,
                        const torch::Tensor& targets) const override {
    return SpectralConvergence(domain_(estimates), domain_(targets));
  }
  bool on_spectrograms() const override { return domain_.on_spectrograms(); }

 private:
  Domain domain_;
};

}  // namespace

std::unique_ptr<Loss> MakeSpectralConvergence(const Config& config, const LossSetting& setting) {
  return std::make_unique<SpectralConvergenceLoss>(config, setting);
}

}  // namespace stemsmith
