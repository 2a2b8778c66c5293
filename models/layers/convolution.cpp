#include "models/layers/convolution.h"

#include "models/layers/convolution_trial.h"

namespace stemsmith {

torch::Tensor Convolve(const torch::Tensor& input, const torch::Tensor& weight,
                       const torch::Tensor& bias, const ConvolutionSpec& spec) {
  const at::DeviceType device = input.device().type();
  const auto type = AutocastType(device);
  if (!type) return ConvolveInForm(ConvolutionForm::kPlain, input, weight, bias, spec);
  const auto form = RightForm(input, weight, bias, spec, *type);
  const auto cast = [&](const torch::Tensor& tensor) {
    return tensor.defined()
               ? at::autocast::cached_cast(form ? *type : torch::kFloat32, tensor, device)
               : tensor;
  };
  const torch::Tensor x = cast(input), w = cast(weight), b = cast(bias);
  const AutocastScope plain(device, std::nullopt);
  return ConvolveInForm(form.value_or(ConvolutionForm::kPlain), x, w, b, spec).to(*type);
}

}  // namespace stemsmith
