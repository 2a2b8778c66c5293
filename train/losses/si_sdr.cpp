// Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019, arXiv:1811.02508), negative: of
// each channel without its mean, 10 lg ‖αs‖² / ‖αs − ŝ‖² with α = ⟨ŝ, s⟩ / ‖s‖².
#include "train/losses/domain.h"

namespace stemsmith {
namespace {

constexpr double kEpsilon = 1e-8;

class SiSdr : public Loss {
 public:
  torch::Tensor PerStem(const torch::Tensor& estimates,
                        const torch::Tensor& targets) const override {
    const torch::Tensor s = targets - targets.mean(-1, /*keepdim=*/true);
    const torch::Tensor e = estimates - estimates.mean(-1, /*keepdim=*/true);
    const torch::Tensor energy = s.square().sum(-1, /*keepdim=*/true);
    const torch::Tensor scaled = (e * s).sum(-1, /*keepdim=*/true) / (energy + kEpsilon) * s;
    const torch::Tensor ratio =
        scaled.square().sum(-1) / ((scaled - e).square().sum(-1) + kEpsilon);
    const torch::Tensor decibel = 10.0 * torch::log10(ratio + kEpsilon);
    const torch::Tensor sounds = energy.squeeze(-1) > kEpsilon;
    return -torch::where(sounds, decibel, torch::zeros_like(decibel)).mean(at::IntArrayRef{0, 2});
  }
};

}  // namespace

std::unique_ptr<Loss> MakeSiSdr(const Config&, const LossSetting&) {
  return std::make_unique<SiSdr>();
}

}  // namespace stemsmith
