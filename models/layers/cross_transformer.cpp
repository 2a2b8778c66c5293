#include "models/layers/cross_transformer.h"

#include <cmath>

#include "models/layers/attention.h"
#include "models/layers/checkpointed.h"
#include "models/layers/dconv.h"
#include "models/layers/linear.h"
#include "models/layers/positions.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

namespace nn = torch::nn;

// One layer of a stack: attention, then the feed-forward part, both scaled and added.
class TransformerLayerImpl : public nn::Module {
 public:
  // `cross`: asks the other stack.
  TransformerLayerImpl(const CrossTransformerOptions& options, bool cross)
      : cross_(cross), dropout_(options.dropout) {
    constexpr double kScaleInit = 1e-4;
    const std::int64_t width = options.width;
    const auto hidden =
        static_cast<std::int64_t>(static_cast<double>(width) * options.hidden_scale);
    const auto norm = [&](const char* name) {
      return register_module(name, nn::LayerNorm(nn::LayerNormOptions({width})));
    };
    attention_ = register_module(cross ? "cross_attn" : "self_attn",
                                 Attention(width, options.heads, options.dropout));
    linear1_ = register_module("linear1", Linear(width, hidden));
    linear2_ = register_module("linear2", Linear(hidden, width));
    norm1_ = norm("norm1");
    norm2_ = norm("norm2");
    if (cross) norm3_ = norm("norm3");
    norm_out_ = register_module("norm_out", nn::GroupNorm(nn::GroupNormOptions(1, width)));
    gamma_1_ = register_module("gamma_1", LayerScale(width, kScaleInit, /*channels_last=*/true));
    gamma_2_ = register_module("gamma_2", LayerScale(width, kScaleInit, /*channels_last=*/true));
  }

  // x [B, N, width]; other [B, M, width], used where `cross`.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& other) {
    const torch::Tensor queries = norm1_(x);
    const torch::Tensor source = cross_ ? norm2_(other) : queries;
    torch::Tensor y = x + gamma_1_(Drop(attention_(queries, source)));
    y = y + gamma_2_(FeedForward((cross_ ? norm3_ : norm2_)(y)));
    return norm_out_(y.transpose(1, 2)).transpose(1, 2);
  }

 private:
  torch::Tensor FeedForward(const torch::Tensor& x) {
    return Drop(linear2_(Drop(torch::gelu(linear1_(x)))));
  }
  torch::Tensor Drop(const torch::Tensor& x) const {
    return dropout_ > 0 && is_training() ? torch::dropout(x, dropout_, /*train=*/true) : x;
  }

  bool cross_;
  double dropout_;
  Attention attention_{nullptr};
  Linear linear1_{nullptr}, linear2_{nullptr};
  nn::LayerNorm norm1_{nullptr}, norm2_{nullptr}, norm3_{nullptr};
  nn::GroupNorm norm_out_{nullptr};
  LayerScale gamma_1_{nullptr}, gamma_2_{nullptr};
};
TORCH_MODULE(TransformerLayer);

// sin, cos, sin, cos … of position · rate: [N, 1] and [R] → [N, 2R].
torch::Tensor Waves(const torch::Tensor& positions, const torch::Tensor& rates) {
  const torch::Tensor phase = positions * rates;
  return torch::stack({phase.sin(), phase.cos()}, 2).flatten(1);
}

}  // namespace

CrossTransformerImpl::CrossTransformerImpl(const CrossTransformerOptions& options)
    : options_(options) {
  const std::int64_t width = options.width;
  norm_in_ = register_module("norm_in", nn::LayerNorm(nn::LayerNormOptions({width})));
  norm_in_t_ = register_module("norm_in_t", nn::LayerNorm(nn::LayerNormOptions({width})));
  for (std::int64_t i = 0; i < options.layers; ++i) {
    const bool cross = i % 2 == 1;
    layers_->push_back(TransformerLayer(options, cross));
    layers_t_->push_back(TransformerLayer(options, cross));
  }
  register_module("layers", layers_);
  register_module("layers_t", layers_t_);
  // As the original computes them, so that the values agree to the last bits.
  const std::int64_t half = width / 2;
  spectral_rates_ = RegisterTransientBuffer(
      *this, "spectral_rates",
      torch::exp(torch::arange(0, half, 2, torch::kFloat32) *
                 -(std::log(options.max_period) / static_cast<double>(half))));
  temporal_periods_ =
      RegisterTransientBuffer(*this, "temporal_periods",
                              torch::pow(options.max_period, torch::arange(half, torch::kFloat32) /
                                                                 static_cast<double>(half - 1)));
}

torch::Tensor CrossTransformerImpl::SpectralPositions(const torch::Tensor& spectral) const {
  const torch::Tensor time = Waves(Positions(spectral, 3), spectral_rates_).unsqueeze(0);
  const torch::Tensor bins = Waves(Positions(spectral, 2), spectral_rates_).unsqueeze(1);
  // Each is spread over the other's dimension.
  return torch::cat({time + torch::zeros_like(bins), bins + torch::zeros_like(time)}, 2)
      .flatten(0, 1);
}

torch::Tensor CrossTransformerImpl::TemporalPositions(const torch::Tensor& temporal) const {
  const torch::Tensor phase = Positions(temporal, 2) / temporal_periods_;
  return torch::cat({phase.cos(), phase.sin()}, 1);
}

std::pair<torch::Tensor, torch::Tensor> CrossTransformerImpl::forward(const torch::Tensor& spectral,
                                                                      const torch::Tensor& temporal,
                                                                      bool checkpoints) {
  const std::int64_t bins = spectral.size(2);
  torch::Tensor x = norm_in_(spectral.flatten(2).transpose(1, 2));  // [B, F · N, width]
  torch::Tensor xt = norm_in_t_(temporal.transpose(1, 2));          // [B, M, width]
  x = x + SpectralPositions(spectral) * options_.position_weight;
  xt = xt + TemporalPositions(temporal) * options_.position_weight;
  const auto run = [checkpoints](torch::nn::Module& module, const torch::Tensor& own,
                                 const torch::Tensor& other) {
    auto& layer = *module.as<TransformerLayer>();
    return CheckpointedIf(checkpoints, layer, {own, other},
                          [&layer](const std::vector<torch::Tensor>& in) {
                            return std::vector<torch::Tensor>{layer.forward(in[0], in[1])};
                          })[0];
  };
  for (std::size_t i = 0; i < layers_->size(); ++i) {
    const torch::Tensor before = x;
    x = run(*layers_->ptr(i), x, xt);
    xt = run(*layers_t_->ptr(i), xt, before);
  }
  return {x.transpose(1, 2).unflatten(2, {bins, -1}), xt.transpose(1, 2)};
}

}  // namespace stemsmith
