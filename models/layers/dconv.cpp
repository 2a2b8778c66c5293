#include "models/layers/dconv.h"

#include <cmath>

#include "models/layers/blstm.h"
#include "models/layers/traced_size.h"
#include "models/separation_model.h"

namespace stemsmith {

namespace nn = torch::nn;

LayerScaleImpl::LayerScaleImpl(std::int64_t channels, double init, bool channels_last)
    : channels_last_(channels_last) {
  scale_ = register_parameter("scale", torch::full({channels}, init));
}

torch::Tensor LayerScaleImpl::forward(const torch::Tensor& x) {
  return (channels_last_ ? scale_ : scale_.unsqueeze(1)) * x;
}

LocalStateImpl::LocalStateImpl(std::int64_t channels) {
  const auto project = [&](const char* name, std::int64_t out) {
    return register_module(name, Conv1d(nn::Conv1dOptions(channels, out, 1)));
  };
  content_ = project("content", channels);
  query_ = project("query", channels);
  key_ = project("key", channels);
  query_decay_ = project("query_decay", kHeads * kDecays);
  proj_ = project("proj", channels);
  const torch::NoGradGuard no_grad;
  query_decay_->weight.mul_(0.01);
  query_decay_->bias.fill_(-2);  // behind the sigmoid: nearly no penalty, the widest view
  slopes_ = RegisterTransientBuffer(*this, "slopes",
                                    torch::arange(1, kDecays + 1, torch::kFloat32).unsqueeze(1));
}

torch::Tensor LocalStateImpl::forward(const torch::Tensor& x) {
  const torch::Tensor position = PositionsAlong(x, 2, x.scalar_type()).view({1, 1, -1});
  const torch::Tensor distance = position.transpose(1, 2) - position;  // [1, N, N]
  const auto heads = [](const torch::Tensor& y) { return y.unflatten(1, {kHeads, -1}); };

  const torch::Tensor queries = heads(query_(x)), keys = heads(key_(x));  // [B, heads, C/heads, N]
  const double scale = 1.0 / std::sqrt(static_cast<double>(queries.size(2)));
  torch::Tensor scores = keys.transpose(2, 3).matmul(queries) * scale;  // [B, heads, keys, queries]
  const torch::Tensor decays = torch::sigmoid(heads(query_decay_(x))) * slopes_;
  const torch::Tensor slope =
      decays.sum(2, /*keepdim=*/true) * (0.5 / std::sqrt(static_cast<double>(kDecays)));
  scores = scores - distance.abs() * slope;
  scores = scores.masked_fill(distance == 0, -100.0);
  const torch::Tensor weights = torch::softmax(scores, 2);
  const torch::Tensor found = heads(content_(x)).matmul(weights);
  return x + proj_(found.flatten(1, 2));
}

DConvImpl::DConvImpl(std::int64_t channels, const DConvOptions& options) {
  constexpr std::int64_t kKernel = 3;
  const std::int64_t hidden = channels / options.compress;
  const auto norm = [](std::int64_t width) {
    return nn::GroupNorm(nn::GroupNormOptions(1, width));
  };
  for (std::int64_t d = 0; d < options.depth; ++d) {
    const std::int64_t dilation = std::int64_t{1} << d;
    nn::Sequential layer;
    layer->push_back(Conv1d(nn::Conv1dOptions(channels, hidden, kKernel)
                                .dilation(dilation)
                                .padding(dilation * (kKernel / 2))));
    layer->push_back(norm(hidden));
    layer->push_back(nn::GELU());
    if (options.lstm) layer->push_back(Blstm(hidden, 2, BlstmOptions{kLstmSpan, /*skip=*/true}));
    if (options.attention) layer->push_back(LocalState(hidden));
    layer->push_back(Conv1d(nn::Conv1dOptions(hidden, 2 * channels, 1)));
    layer->push_back(norm(2 * channels));
    layer->push_back(nn::GLU(nn::GLUOptions(1)));
    layer->push_back(LayerScale(channels, options.init));
    layers_->push_back(layer);
  }
  register_module("layers", layers_);
}

torch::Tensor DConvImpl::forward(const torch::Tensor& x) {
  torch::Tensor y = x;
  for (const auto& layer : *layers_) y = y + layer->as<nn::Sequential>()->forward(y);
  return y;
}

}  // namespace stemsmith
