// Mean squared difference without the largest errors: with stems that hold what does not belong to
// them, these are mostly the labels' errors. After "loss masking" of Kim, Lee, Jung 2023,
// "TFC-TDF-UNet v3" (arXiv:2306.09382); there errors equal to the quantile are dropped as well,
// which would leave nothing of a single sample.
#include <algorithm>
#include <cmath>

#include "train/losses/domain.h"

namespace stemsmith {
namespace {

// The quantile of each row of [S, n], interpolated linearly, as [S, 1]. torch's own takes no more
// than 2^24 values.
torch::Tensor RowQuantile(const torch::Tensor& rows, double quantile) {
  const double place = quantile * static_cast<double>(rows.size(1) - 1);
  const auto below = static_cast<std::int64_t>(std::floor(place));
  const std::int64_t above = std::min(below + 1, rows.size(1) - 1);
  const auto value = [&](std::int64_t k) {
    return std::get<0>(torch::kthvalue(rows, k + 1, 1, /*keepdim=*/true));
  };
  const torch::Tensor low = value(below);
  if (above == below) return low;
  return low.lerp(value(above), place - static_cast<double>(below));
}

class TrimmedMse : public Loss {
 public:
  TrimmedMse(const Config& config, const LossSetting& setting)
      : domain_(config, setting.device),
        quantile_(config.NumberIn("quantile", 0.95, 0.0, 1.0)),
        per_sample_(config.Choice("per", "sample", {"sample", "element"}) == "sample") {}
  torch::Tensor PerStem(const torch::Tensor& estimates,
                        const torch::Tensor& targets) const override {
    torch::Tensor error =
        torch::mse_loss(domain_(estimates), domain_(targets), at::Reduction::None).transpose(0, 1);
    if (per_sample_) error = error.flatten(2).mean(2);
    error = error.flatten(1);
    torch::Tensor kept;
    {
      torch::NoGradGuard no_grad;
      kept = error <= RowQuantile(error.detach(), quantile_);
    }
    return (error * kept).mean(1);
  }
  bool on_spectrograms() const override { return domain_.on_spectrograms(); }

 private:
  Domain domain_;
  double quantile_;
  bool per_sample_;
};

}  // namespace

std::unique_ptr<Loss> MakeTrimmedMse(const Config& config, const LossSetting& setting) {
  return std::make_unique<TrimmedMse>(config, setting);
}

}  // namespace stemsmith
