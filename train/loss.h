// Training objectives: a weighted sum of rows of one table. Losses are immutable after they are
// built.
//
// A further loss is a file in losses/ with a row in loss.cpp; its keys are read by its constructor.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "core/config.h"

namespace stemsmith {

// What losses are built for.
struct LossSetting {
  std::vector<std::string> stems;  // S names
  // [S]: root mean square of each stem over all training songs, full scale 1; 0: always silent.
  std::vector<double> stem_levels;
  torch::Device device = torch::kCPU;  // where tensors that a loss keeps live
};

class Loss {
 public:
  virtual ~Loss() = default;
  // estimates and targets of the same shape, [B, S, C, T], or [B, S, C, F, N] with
  // on_spectrograms() → [S], the mean over all but the stems.
  virtual torch::Tensor PerStem(const torch::Tensor& estimates,
                                const torch::Tensor& targets) const = 0;
  // Whether it takes the magnitudes that a SpectrogramModel estimates instead of waveforms.
  virtual bool on_spectrograms() const { return false; }
};

struct LossRow {
  const char* name;
  const char* summary;
  // `config` is the list item without `name`, `weight` and `stem_weights`.
  std::unique_ptr<Loss> (*make)(const Config& config, const LossSetting& setting);
};
const std::vector<LossRow>& LossTable();

// The makers of the table's rows.
std::unique_ptr<Loss> MakeL1(const Config& config, const LossSetting& setting);
std::unique_ptr<Loss> MakeMse(const Config& config, const LossSetting& setting);
std::unique_ptr<Loss> MakeTrimmedMse(const Config& config, const LossSetting& setting);
std::unique_ptr<Loss> MakeSpectralConvergence(const Config& config, const LossSetting& setting);
std::unique_ptr<Loss> MakeMultiResolutionStft(const Config& config, const LossSetting& setting);
std::unique_ptr<Loss> MakeMultiResolutionComplexStft(const Config& config,
                                                     const LossSetting& setting);
std::unique_ptr<Loss> MakeSiSdr(const Config& config, const LossSetting& setting);

// The configured list `loss: [{name: l1, domain: magnitude, weight: 1.0}, …]`. An empty list means
// L1 on waveforms. The stems of a term count by its `stem_weights`, whose mean is set to 1: a map
// of names, or `loudness`, the reciprocals of their levels. Throws Error for unknown names (with
// the nearest one), and where some of the losses are taken on spectrograms and others are not.
class WeightedLoss {
 public:
  WeightedLoss(const std::vector<Config>& items, const LossSetting& setting);
  // A scalar. `stems`: the places of the estimates and targets among all stems where they are only
  // some of them; the mean over all such choices is then the loss of all stems. Empty: all.
  torch::Tensor operator()(const torch::Tensor& estimates, const torch::Tensor& targets,
                           const std::vector<std::int64_t>& stems = {}) const;
  bool on_spectrograms() const { return terms_.front().loss->on_spectrograms(); }

 private:
  struct Term {
    double weight = 1.0;
    torch::Tensor stem_weights;  // [S] with a sum of 1; undefined: all alike
    std::unique_ptr<Loss> loss;
  };
  std::vector<Term> terms_;
};

}  // namespace stemsmith
