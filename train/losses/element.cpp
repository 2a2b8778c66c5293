// Mean absolute and mean squared difference.
#include "train/losses/domain.h"

namespace stemsmith {
namespace {

using Difference = torch::Tensor (*)(const torch::Tensor&, const torch::Tensor&);

class ElementLoss : public Loss {
 public:
  ElementLoss(const Config& config, const LossSetting& setting, Difference difference)
      : domain_(config, setting.device), difference_(difference) {}
  torch::Tensor PerStem(const torch::Tensor& estimates,
                        const torch::Tensor& targets) const override {
    const torch::Tensor difference = difference_(domain_(estimates), domain_(targets));
    return difference.mean(AllButStems(difference));
  }
  bool on_spectrograms() const override { return domain_.on_spectrograms(); }

 private:
  Domain domain_;
  Difference difference_;
};

}  // namespace

std::unique_ptr<Loss> MakeL1(const Config& config, const LossSetting& setting) {
  return std::make_unique<ElementLoss>(config, setting,
                                       [](const torch::Tensor& a, const torch::Tensor& b) {
                                         return torch::l1_loss(a, b, at::Reduction::None);
                                       });
}

std::unique_ptr<Loss> MakeMse(const Config& config, const LossSetting& setting) {
  return std::make_unique<ElementLoss>(config, setting,
                                       [](const torch::Tensor& a, const torch::Tensor& b) {
                                         return torch::mse_loss(a, b, at::Reduction::None);
                                       });
}

}  // namespace stemsmith
