// The convolutions of all models: LibTorch's layers, with their options, their names in the state
// dict and their numbers. Under autocast each is computed in a form that this machine is right in
// (convolution_trial.h).
#pragma once

#include <torch/torch.h>

#include "models/layers/autocast.h"
#include "models/layers/convolution_forms.h"

namespace stemsmith {

// In this thread's type for the input's device, which autocast gives; float32 without. `bias` may
// be undefined.
torch::Tensor Convolve(const torch::Tensor& input, const torch::Tensor& weight,
                       const torch::Tensor& bias, const ConvolutionSpec& spec);

namespace layers {

// `Plain` is a layer of LibTorch's, padded with zeros by numbers.
template <typename Plain, std::size_t dims, bool transposed>
class Convolution : public Plain {
 public:
  using Plain::Plain;

  torch::Tensor forward(const torch::Tensor& x) {
    if (!AutocastType(x.device().type())) return Plain::forward(x);
    return Convolve(x, this->weight, this->bias, Spec());
  }

 private:
  ConvolutionSpec Spec() const {
    const auto& o = this->options;
    const auto numbers = [](const torch::ExpandingArray<dims>& values) {
      return std::vector<std::int64_t>(values->begin(), values->end());
    };
    const auto& padding = std::get<torch::ExpandingArray<dims>>(o.padding());
    return {numbers(o.stride()),         numbers(padding), numbers(o.dilation()),
            numbers(o.output_padding()), o.groups(),       transposed};
  }
};

}  // namespace layers

using Conv1dImpl = layers::Convolution<torch::nn::Conv1dImpl, 1, false>;
using Conv2dImpl = layers::Convolution<torch::nn::Conv2dImpl, 2, false>;
using ConvTranspose1dImpl = layers::Convolution<torch::nn::ConvTranspose1dImpl, 1, true>;
using ConvTranspose2dImpl = layers::Convolution<torch::nn::ConvTranspose2dImpl, 2, true>;
TORCH_MODULE(Conv1d);
TORCH_MODULE(Conv2d);
TORCH_MODULE(ConvTranspose1d);
TORCH_MODULE(ConvTranspose2d);

}  // namespace stemsmith
