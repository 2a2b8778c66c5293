#include "train/grad_scaler.h"

#include <algorithm>

#include "core/json_fields.h"
#include "core/option.h"

namespace stemsmith {

bool GradScaler::Unscale(const NamedTensors& parameters) const {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const auto& [name, parameter] : parameters)
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  if (gradients.empty()) return true;
  const auto options = gradients.front().options().dtype(torch::kFloat32);
  torch::Tensor overflow = torch::zeros({1}, options);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, overflow,
                                                 torch::full({1}, 1.0 / scale_, options));
  return overflow.item<float>() == 0.0f;
}

bool GradScaler::Update(bool finite) {
  if (!finite) {
    ++left_out_;
    good_steps_ = 0;
    if (scale_ <= kLowestScale) return false;
    scale_ = std::max(kLowestScale, scale_ * 0.5);
    return true;
  }
  if (++good_steps_ == kStepsToGrow) {
    scale_ *= 2;
    good_steps_ = 0;
  }
  return true;
}

nlohmann::json GradScaler::State() const {
  return {{"scale", scale_}, {"good_steps", good_steps_}, {"left_out", left_out_}};
}

void GradScaler::Load(const nlohmann::json& state) {
  const JsonFields fields(state, [](const std::string& problem) {
    return Error::Input("the checkpoint lacks the loss scaling of float16: " + problem, "",
                        "start again with another " + Option("run"));
  });
  constexpr std::int64_t kMany = std::int64_t{1} << 50;
  scale_ = fields.Number<double>("scale", {kLowestScale, 1e38});
  good_steps_ = fields.Number<decltype(good_steps_)>("good_steps", {0, kStepsToGrow});
  left_out_ = fields.Number<decltype(left_out_)>("left_out", {0, kMany});
}

}  // namespace stemsmith
