// Loss scaling for float16, whose smallest numbers are larger than many gradients: the loss is
// multiplied before the backward pass and the gradients are divided after it (Micikevicius et al.,
// "Mixed Precision Training", 2018). Where that overflows, the step is left out and the factor
// halved; after 2000 steps without, it is doubled. The factor is a power of two, so that scaling
// rounds nothing.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "models/checkpoint.h"

namespace stemsmith {

// One thread at a time.
class GradScaler {
 public:
  static constexpr double kFirstScale = 65536.0;
  static constexpr std::int64_t kStepsToGrow = 2000;
  // Gradients that overflow at a factor of one are no matter of scaling.
  static constexpr double kLowestScale = 1.0;

  double scale() const { return scale_; }
  std::int64_t left_out() const { return left_out_; }  // steps
  torch::Tensor Scale(const torch::Tensor& loss) const { return loss * scale_; }
  // Divides the gradients by the factor. False where one of them is not finite.
  bool Unscale(const NamedTensors& parameters) const;
  // Takes note of a step: whether its gradients were finite. False where the step cannot be fixed
  // by a smaller factor.
  bool Update(bool finite);

  // {"scale", "good_steps", "left_out"}.
  nlohmann::json State() const;
  // Throws nlohmann::json::exception for damaged ones.
  void Load(const nlohmann::json& state);

 private:
  double scale_ = kFirstScale;
  std::int64_t good_steps_ = 0;  // since the factor changed
  std::int64_t left_out_ = 0;
};

}  // namespace stemsmith
