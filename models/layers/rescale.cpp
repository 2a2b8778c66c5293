#include "models/layers/rescale.h"

namespace stemsmith {
namespace {

template <typename Convolution>
bool Rescale(torch::nn::Module& module, double reference) {
  auto* convolution = module.as<Convolution>();
  if (convolution == nullptr) return false;
  const torch::Tensor scale = torch::sqrt(convolution->weight.std() / reference);
  convolution->weight.div_(scale);
  if (convolution->bias.defined()) convolution->bias.div_(scale);
  return true;
}

}  // namespace

void RescaleConvolutions(torch::nn::Module& module, double reference) {
  namespace nn = torch::nn;
  const torch::NoGradGuard no_grad;
  for (const auto& part : module.modules(/*include_self=*/false)) {
    Rescale<nn::Conv1d>(*part, reference) || Rescale<nn::Conv2d>(*part, reference) ||
        Rescale<nn::ConvTranspose1d>(*part, reference) ||
        Rescale<nn::ConvTranspose2d>(*part, reference);
  }
}

}  // namespace stemsmith
