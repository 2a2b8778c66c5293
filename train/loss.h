// Training objectives: a weighted sum of rows of one table. Losses are immutable after they are
// built.
//
// A further loss is a class with a row in loss.cpp; its keys are read by its constructor.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "core/config.h"

namespace stemsmith {

class Loss {
 public:
  virtual ~Loss() = default;
  // estimates and targets of the same shape, [B, S, C, T], or [B, S, C, F, N] with
  // on_spectrograms() → a scalar, the mean over all elements.
  virtual torch::Tensor operator()(const torch::Tensor& estimates,
                                   const torch::Tensor& targets) const = 0;
  // Whether it takes the magnitudes that a SpectrogramModel estimates instead of waveforms.
  virtual bool on_spectrograms() const { return false; }
};

struct LossRow {
  const char* name;
  const char* summary;
  // `config` is the list item without `name` and `weight`. Tensors that the loss keeps live on
  // `device`.
  std::unique_ptr<Loss> (*make)(const Config& config, const torch::Device& device);
};
const std::vector<LossRow>& LossTable();

// The configured list `loss: [{name: l1, domain: magnitude, weight: 1.0}, …]`. An empty list means
// L1 on waveforms. Throws Error for unknown names (with the nearest one), and where some of the
// losses are taken on spectrograms and others are not.
class WeightedLoss {
 public:
  WeightedLoss(const std::vector<Config>& items, const torch::Device& device);
  torch::Tensor operator()(const torch::Tensor& estimates, const torch::Tensor& targets) const;
  bool on_spectrograms() const { return terms_.front().loss->on_spectrograms(); }

 private:
  struct Term {
    double weight = 1.0;
    std::unique_ptr<Loss> loss;
  };
  std::vector<Term> terms_;
};

}  // namespace stemsmith
