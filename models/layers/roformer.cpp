#include "models/layers/roformer.h"

#include <cmath>

#include "models/layers/checkpointed.h"
#include "models/layers/linear.h"
#include "models/layers/positions.h"

namespace stemsmith {
namespace {

namespace nn = torch::nn;

Linear Unbiased(std::int64_t in, std::int64_t out) {
  return Linear(nn::LinearOptions(in, out).bias(false));
}

struct Attended {
  torch::Tensor result;  // [R, N, width]
  torch::Tensor values;  // [R, N, heads, head_width], before they were mixed
};

class AttentionPart : public nn::Module {
 public:
  virtual Attended Attend(const torch::Tensor& x, const std::vector<torch::Tensor>& turns,
                          const torch::Tensor& values) = 0;
};

// Attention between tokens whose heads each have a gate.
class GatedAttention : public AttentionPart {
 public:
  explicit GatedAttention(const RoformerOptions& options) : options_(options) {
    const std::int64_t inner = options.heads * options.head_width;
    norm_ = register_module("norm", RmsNorm(options.width));
    to_qkv_ = register_module("to_qkv", Unbiased(options.width, 3 * inner));
    if (options.mixes_values)
      to_value_residual_mix_ =
          register_module("to_value_residual_mix", Linear(options.width, options.heads));
    to_gates_ = register_module("to_gates", Linear(options.width, options.heads));
    to_out_ = register_module("to_out", nn::Sequential(Unbiased(inner, options.width),
                                                       nn::Dropout(options.attention_dropout)));
  }

  Attended Attend(const torch::Tensor& x, const std::vector<torch::Tensor>& turns,
                  const torch::Tensor& values) override {
    const torch::Tensor normed = norm_(x);
    const torch::Tensor qkv =
        to_qkv_(normed).unflatten(-1, {3, options_.heads, options_.head_width});
    const torch::Tensor own = qkv.select(2, 2);
    torch::Tensor mixed = own;
    if (to_value_residual_mix_)
      mixed = own + to_value_residual_mix_(normed).sigmoid().unsqueeze(-1) * (values - own);
    const auto [queries, keys] = TurnQueriesAndKeys(qkv.slice(2, 0, 2), turns);
    const torch::Tensor heads = Heads(queries, keys, mixed);
    const torch::Tensor gated = heads * to_gates_(normed).sigmoid().unsqueeze(-1);
    return {to_out_->forward(gated.flatten(2)), own};
  }

 private:
  // All [R, N, heads, width]. Fast kernels want values as wide as queries are; polar positions
  // double the width of these.
  torch::Tensor Heads(const torch::Tensor& queries, const torch::Tensor& keys,
                      const torch::Tensor& values) {
    const std::int64_t wider = queries.size(-1) - options_.head_width;
    // As in PyPI PoPE-pytorch, where weights have no dropout.
    const double dropout = is_training() && wider == 0 ? options_.attention_dropout : 0.0;
    const torch::Tensor found =
        torch::scaled_dot_product_attention(
            queries.transpose(1, 2), keys.transpose(1, 2),
            (wider > 0 ? torch::constant_pad_nd(values, {0, wider}) : values).transpose(1, 2),
            /*attn_mask=*/{}, dropout, /*is_causal=*/false,
            1 / std::sqrt(static_cast<double>(options_.head_width)))
            .transpose(1, 2);
    return wider > 0 ? found.slice(-1, 0, options_.head_width) : found;
  }

  RoformerOptions options_;
  RmsNorm norm_{nullptr};
  Linear to_qkv_{nullptr}, to_value_residual_mix_{nullptr}, to_gates_{nullptr};
  nn::Sequential to_out_{nullptr};
};

// Attention between the numbers of a head over all tokens, whose cost grows with the number of
// tokens and not with its square (El-Nouby et al., "XCiT", 2021).
class LinearAttention : public AttentionPart {
 public:
  explicit LinearAttention(const RoformerOptions& options) : options_(options) {
    const std::int64_t inner = options.heads * options.head_width;
    norm_ = register_module("norm", RmsNorm(options.width));
    to_qkv_ = register_module("to_qkv", nn::Sequential(Unbiased(options.width, 3 * inner)));
    temperature_ = register_parameter("temperature", torch::ones({options.heads, 1, 1}));
    // Place 0 of the original's list has no weights.
    to_out_ = register_module(
        "to_out", nn::Sequential(nn::Identity(), Unbiased(inner, options.width)));
  }

  Attended Attend(const torch::Tensor& x, const std::vector<torch::Tensor>& /*turns*/,
                  const torch::Tensor& /*values*/) override {
    constexpr double kScale = 8;
    const torch::Tensor qkv = to_qkv_->forward(norm_(x))
                                  .unflatten(-1, {3, options_.heads, options_.head_width})
                                  .to(torch::kFloat32)
                                  .permute({2, 0, 3, 4, 1});  // [3, R, heads, head_width, N]
    const torch::Tensor queries = Normalized(qkv.select(0, 0)) * temperature_.exp();
    const torch::Tensor keys = Normalized(qkv.select(0, 1));
    const torch::Tensor weights =
        torch::dropout((torch::matmul(queries, keys.transpose(-2, -1)) * kScale).softmax(-1),
                       options_.attention_dropout, is_training());
    const torch::Tensor heads = torch::matmul(weights, qkv.select(0, 2)).permute({0, 3, 1, 2});
    return {to_out_->forward(heads.flatten(2)), {}};
  }

 private:
  static torch::Tensor Normalized(const torch::Tensor& x) {
    return x / torch::linalg_vector_norm(x, 2, -1, /*keepdim=*/true).clamp_min(1e-12);
  }

  RoformerOptions options_;
  RmsNorm norm_{nullptr};
  nn::Sequential to_qkv_{nullptr}, to_out_{nullptr};
  torch::Tensor temperature_;
};

class FeedForward : public nn::Module {
 public:
  explicit FeedForward(const RoformerOptions& options) {
    constexpr std::int64_t kExpansion = 4;
    const std::int64_t inner = kExpansion * options.width;
    const double dropout = options.feed_forward_dropout;
    net_ = register_module(
        "net", nn::Sequential(RmsNorm(options.width), Linear(options.width, inner), nn::GELU(),
                              nn::Dropout(dropout), Linear(inner, options.width),
                              nn::Dropout(dropout)));
  }
  torch::Tensor forward(const torch::Tensor& x) { return net_->forward(x); }

 private:
  nn::Sequential net_{nullptr};
};

// Attention and the feed-forward part behind it.
class RoformerLayer : public nn::Module {
 public:
  explicit RoformerLayer(const RoformerOptions& options)
      : attention_(options.linear ? std::shared_ptr<AttentionPart>(
                                        std::make_shared<LinearAttention>(options))
                                  : std::make_shared<GatedAttention>(options)),
        feed_forward_(std::make_shared<FeedForward>(options)) {
    register_module("0", attention_);
    register_module("1", feed_forward_);
  }

  AttentionPart& attention() { return *attention_; }
  Attended Run(const torch::Tensor& x, const std::vector<torch::Tensor>& turns,
               const torch::Tensor& values) {
    const Attended attended = attention_->Attend(x, turns, values);
    const torch::Tensor y = x + attended.result;
    return {y + feed_forward_->forward(y), attended.values};
  }

 private:
  std::shared_ptr<AttentionPart> attention_;
  std::shared_ptr<FeedForward> feed_forward_;
};

}  // namespace

RoformerImpl::RoformerImpl(const RoformerOptions& options) {
  for (std::int64_t i = 0; i < options.depth; ++i)
    layers_->push_back(std::make_shared<RoformerLayer>(options));
  register_module("layers", layers_);
  if (options.norm_output) norm_ = register_module("norm", RmsNorm(options.width));
}

torch::nn::Module& RoformerImpl::attention(std::int64_t layer) {
  return layers_->ptr(static_cast<std::size_t>(layer))->as<RoformerLayer>()->attention();
}

torch::Tensor RoformerImpl::forward(torch::Tensor x, const std::vector<torch::Tensor>& turns,
                                    torch::Tensor& values, bool checkpoints) {
  torch::Tensor first_values;
  for (const auto& module : *layers_) {
    auto& layer = *module->as<RoformerLayer>();
    std::vector<torch::Tensor> inputs = {x, values};
    inputs.insert(inputs.end(), turns.begin(), turns.end());
    const std::vector<torch::Tensor> results = CheckpointedIf(
        checkpoints, layer, inputs, [&layer](const std::vector<torch::Tensor>& in) {
          const Attended attended = layer.Run(in[0], {in.begin() + 2, in.end()}, in[1]);
          return std::vector<torch::Tensor>{attended.result, attended.values};
        });
    x = results[0];
    if (!first_values.defined()) first_values = results[1];
  }
  if (!values.defined()) values = first_values;
  return norm_ ? norm_(x) : x;
}

}  // namespace stemsmith
