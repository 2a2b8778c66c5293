// Hybrid Demucs (Défossez, "Hybrid Spectrogram and Waveform Source Separation", 2021), as HDemucs
// of PyPI demucs 4.1.0; the published mdx, mdx_extra and hdemucs_mmi hold such models. See
// hybrid_demucs.h.
//
// Where it differs: the wave's branch is always there (`hybrid: true`), and there is no iterative
// Wiener filter (wiener_iters: 0), as in all published models.
#include "models/hybrid_demucs.h"

namespace stemsmith {
namespace {

class HDemucs : public HybridDemucs {
 public:
  using HybridDemucs::HybridDemucs;
  HDemucs(HybridOptions options, ModelSetting setting)
      : HybridDemucs(std::move(options), std::move(setting)) {}

 protected:
  // Nothing but the skips passes the middle.
  std::pair<torch::Tensor, torch::Tensor> Middle(const torch::Tensor&,
                                                 const torch::Tensor&) override {
    return {};
  }
};

}  // namespace

std::shared_ptr<SeparationModel> MakeHDemucs(const Config& config, const ModelSetting& setting) {
  const HybridOptions options = ReadHybridOptions(config, {}, /*version=*/3, setting);
  RequireOption(config, "hybrid", "true");
  IgnoreOption(config, "segment");
  return std::make_shared<HDemucs>(options, setting);
}

}  // namespace stemsmith
