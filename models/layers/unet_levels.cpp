#include "models/layers/unet_levels.h"

#include <algorithm>

namespace stemsmith {
namespace {

namespace F = torch::nn::functional;

torch::Tensor Leaky(const torch::Tensor& x) {
  return F::leaky_relu(x, F::LeakyReLUFuncOptions().negative_slope(0.2));
}

Conv2d SameSize(std::int64_t channels) {
  return Conv2d(torch::nn::Conv2dOptions(channels, channels, 3).padding(1).bias(false));
}

Conv2d PerBin(std::int64_t in, std::int64_t out) {
  return Conv2d(torch::nn::Conv2dOptions(in, out, 1));
}

}  // namespace

ResidualBlockImpl::ResidualBlockImpl(std::int64_t channels) {
  conv1_ = register_module("conv1", SameSize(channels));
  norm1_ = register_module("norm1", BatchNorm2d(channels));
  conv2_ = register_module("conv2", SameSize(channels));
  norm2_ = register_module("norm2", BatchNorm2d(channels));
}

torch::Tensor ResidualBlockImpl::forward(const torch::Tensor& x) {
  return Leaky(x + norm2_(conv2_(Leaky(norm1_(conv1_(x))))));
}

DownLevelImpl::DownLevelImpl(std::int64_t in, std::int64_t out, std::int64_t bins_out,
                             const UnetLevelOptions& options) {
  conv_ = register_module("conv", Conv2d(torch::nn::Conv2dOptions(in, out, options.kernel_size)
                                             .stride(2)
                                             .padding((options.kernel_size - 1) / 2)
                                             .bias(false)));
  norm_ = register_module("norm", BatchNorm2d(out));
  if (options.position)
    position_ = register_parameter("position", torch::zeros({1, out, bins_out, 1}));
  if (options.residual) residual_ = register_module("residual", ResidualBlock(out));
}

torch::Tensor DownLevelImpl::forward(const torch::Tensor& x) {
  torch::Tensor y = norm_(conv_(x));
  if (position_.defined()) y = y + position_;
  y = Leaky(y);
  return residual_ ? residual_(y) : y;
}

UpLevelImpl::UpLevelImpl(std::int64_t in, std::int64_t out, bool last, double dropout,
                         const UnetLevelOptions& options) {
  conv_ = register_module(
      "conv", ConvTranspose2d(
                  torch::nn::ConvTranspose2dOptions(in, out, options.kernel_size)
                      .stride(2)
                      .padding((options.kernel_size - 1) / 2)
                      .output_padding(options.kernel_size % 2)  // so that odd kernels double, too
                      .bias(false)));
  if (last) return;
  norm_ = register_module("norm", BatchNorm2d(out));
  if (dropout > 0) dropout_ = register_module("dropout", torch::nn::Dropout(dropout));
  if (options.residual) residual_ = register_module("residual", ResidualBlock(out));
}

torch::Tensor UpLevelImpl::forward(const torch::Tensor& x) {
  torch::Tensor y = conv_(x);
  if (!norm_) return y;
  y = torch::relu(norm_(y));
  if (residual_) y = residual_(y);
  return dropout_ ? dropout_(y) : y;
}

AttentionGateImpl::AttentionGateImpl(std::int64_t channels) {
  const std::int64_t inner = std::max<std::int64_t>(1, channels / 2);
  skip_ = register_module("skip", PerBin(channels, inner));
  gate_ = register_module("gate", PerBin(channels, inner));
  mask_ = register_module("mask", PerBin(inner, 1));
}

torch::Tensor AttentionGateImpl::forward(const torch::Tensor& skip, const torch::Tensor& gate) {
  return skip * torch::sigmoid(mask_(torch::relu(skip_(skip) + gate_(gate))));
}

RecurrentBottleneckImpl::RecurrentBottleneckImpl(std::int64_t channels, std::int64_t bins,
                                                 std::int64_t hidden)
    : channels_(channels), bins_(bins) {
  narrow_ = register_module("narrow", Conv1d(torch::nn::Conv1dOptions(channels * bins, hidden, 1)));
  blstm_ = register_module("blstm", Blstm(hidden, 1));
  widen_ = register_module("widen", Conv1d(torch::nn::Conv1dOptions(hidden, channels * bins, 1)));
}

torch::Tensor RecurrentBottleneckImpl::forward(const torch::Tensor& x) {
  const torch::Tensor steps = narrow_(x.flatten(1, 2));  // [B, hidden, N]
  return x + widen_(blstm_(steps)).unflatten(1, {channels_, bins_});
}

}  // namespace stemsmith
