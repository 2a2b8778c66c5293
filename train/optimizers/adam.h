// Adam (Kingma, Ba 2015) and AdamW (Loshchilov, Hutter 2019) on LibTorch's fused kernels, which are
// one pass over memory and element by element, thus the same bits for any thread count.
#pragma once

#include <vector>

#include "train/optimizer.h"

namespace stemsmith {

class Adam : public Optimizer {
 public:
  // `decoupled`: AdamW, whose decay acts on the weights and not through the gradient. `holders`:
  // which parameters are updated so, where a class built on this one has another way for the
  // others; empty: all.
  Adam(const Config& config, NamedTensors parameters, bool decoupled,
       const std::vector<bool>& holders = {});

 protected:
  static constexpr std::size_t kSlots = 3;  // the first ones
  void Apply(Update& update) override;

 private:
  double beta1_ = 0.9, beta2_ = 0.999;
  double eps_ = 1e-8;
  bool decoupled_;
};

}  // namespace stemsmith
