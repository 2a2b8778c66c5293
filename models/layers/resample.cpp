#include "models/layers/resample.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "models/layers/convolution.h"
#include "models/layers/replication_pad.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

constexpr double kZeros = 24;
constexpr double kRolloff = 0.945;

// Rates in lowest terms; the lower of the two is always 1 here.
std::int64_t KernelWidth(std::int64_t rate_in) {
  return static_cast<std::int64_t>(std::ceil(kZeros * static_cast<double>(rate_in) / kRolloff));
}

// One filter per output phase: [rate_out, 1, 2·width + rate_in], each summing to 1 so that
// constants stay. Computed in float32 step by step as the original does, so that the values agree
// to the last bits.
torch::Tensor SincKernels(std::int64_t rate_in, std::int64_t rate_out) {
  const std::int64_t width = KernelWidth(rate_in);
  const torch::Tensor index = torch::arange(-width, width + rate_in).to(torch::kFloat32);
  std::vector<torch::Tensor> kernels;
  for (std::int64_t phase = 0; phase < rate_out; ++phase) {
    const double shift = -static_cast<double>(phase) / static_cast<double>(rate_out);
    torch::Tensor t = (shift + index / rate_in) * kRolloff;
    t = t.clamp(-kZeros, kZeros) * std::numbers::pi;
    const torch::Tensor window = torch::cos(t / kZeros / 2).square();
    const torch::Tensor sinc = torch::where(t == 0, torch::ones_like(t), torch::sin(t) / t);
    const torch::Tensor kernel = sinc * window;
    kernels.push_back(kernel / kernel.sum());
  }
  return torch::stack(kernels).unsqueeze(1);
}

torch::Tensor Filter(const torch::Tensor& x, const torch::Tensor& kernels, std::int64_t stride) {
  return Convolve(x, kernels, /*bias=*/{},
                  {.stride = {stride}, .padding = {0}, .dilation = {1}, .output_padding = {0}});
}

}  // namespace

DoubleRateImpl::DoubleRateImpl() : width_(KernelWidth(1)) {
  kernel_ = RegisterTransientBuffer(*this, "kernel", SincKernels(1, 2));
}

torch::Tensor DoubleRateImpl::forward(const torch::Tensor& waves) const {
  const torch::Tensor padded = ReplicationPad(waves.unsqueeze(1), {width_, width_ + 1});
  // [R, 2, T + 1]: the two phases, which take turns in time.
  const torch::Tensor phases = Filter(padded, kernel_, /*stride=*/1);
  return phases.transpose(1, 2).flatten(1).slice(/*dim=*/1, 0, -2);
}

HalveRateImpl::HalveRateImpl() : width_(KernelWidth(2)) {
  kernel_ = RegisterTransientBuffer(*this, "kernel", SincKernels(2, 1));
}

torch::Tensor HalveRateImpl::forward(const torch::Tensor& waves) const {
  const torch::Tensor padded = ReplicationPad(waves.unsqueeze(1), {width_, width_ + 2});
  const torch::Tensor halved = Filter(padded, kernel_, /*stride=*/2);
  return halved.squeeze(1).slice(/*dim=*/1, 0, -1);
}

}  // namespace stemsmith
