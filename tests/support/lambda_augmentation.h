// A function as an augmentation.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "augment/augment.h"

namespace stemsmith::testing {

class LambdaAugmentation : public Augmentation {
 public:
  using Function = std::function<void(StemBlock&, RandomStream&)>;
  explicit LambdaAugmentation(Function apply) : apply_(std::move(apply)) {}
  void Apply(StemBlock& block, RandomStream& random) const override { apply_(block, random); }

 private:
  Function apply_;
};

}  // namespace stemsmith::testing
