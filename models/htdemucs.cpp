// Hybrid Transformer Demucs (Rouard, Massa and Défossez, "Hybrid Transformers for Music Source
// Separation", 2023), as HTDemucs of PyPI demucs 4.1.0; the published htdemucs, htdemucs_ft and
// htdemucs_6s are such models. See hybrid_demucs.h; between encoders and decoders stands the
// cross-domain transformer.
//
// Where it differs: shorter inputs are padded to the training's segment on both sides, as demucs
// itself does for whole songs, not on the right alone; longer ones are separated as they are. The
// transformer has sine positions, normalisation first, layer scale and GELU, as in all published
// models.
#include <cmath>

#include "core/error.h"
#include "core/numbers.h"
#include "models/hybrid_demucs.h"
#include "models/layers/convolution.h"
#include "models/layers/cross_transformer.h"

namespace stemsmith {
namespace {

struct HtdemucsOptions {
  std::int64_t bottom_channels = 0;  // the transformer's width; 0: that of the innermost level
  CrossTransformerOptions transformer;
  double segment_seconds = 10;    // see `use_train_segment`
  bool use_train_segment = true;  // separates in segments as long as those trained with
};

class HTDemucs : public HybridDemucs {
 public:
  HTDemucs(HybridOptions hybrid, HtdemucsOptions options, ModelSetting setting)
      : HybridDemucs(std::move(hybrid), std::move(setting)),
        segment_frames_(options.use_train_segment
                            ? std::llround(options.segment_seconds * setting_.sample_rate_hz)
                            : 0),
        innermost_(options_.channels *
                   static_cast<std::int64_t>(std::llround(
                       std::pow(options_.growth, static_cast<double>(options_.depth - 1))))) {
    const std::int64_t bottom = options.bottom_channels;
    if (bottom > 0) {
      const auto project = [&](const char* name, std::int64_t in, std::int64_t out) {
        return register_module(name, Conv1d(torch::nn::Conv1dOptions(in, out, 1)));
      };
      upsampler_ = project("channel_upsampler", innermost_, bottom);
      downsampler_ = project("channel_downsampler", bottom, innermost_);
      upsampler_t_ = project("channel_upsampler_t", innermost_, bottom);
      downsampler_t_ = project("channel_downsampler_t", bottom, innermost_);
    }
    if (options.transformer.layers > 0)
      transformer_ = register_module("crosstransformer", CrossTransformer(options.transformer));
  }

  LengthRule length_rule() const override {
    LengthRule rule = HybridDemucs::length_rule();
    rule.dynamic = false;  // the transformer's positions are those of one length
    if (!is_training()) rule.offset_frames = std::max(rule.offset_frames, segment_frames_);
    return rule;
  }

  void UseSegment(std::int64_t frames) override {
    if (segment_frames_ > 0) segment_frames_ = frames;
  }

 protected:
  std::pair<torch::Tensor, torch::Tensor> Middle(const torch::Tensor& spectral,
                                                 const torch::Tensor& temporal) override {
    torch::Tensor x = spectral, xt = temporal;
    if (!transformer_) return {x, xt};
    const std::int64_t bins = x.size(2);
    if (upsampler_) {
      x = upsampler_(x.flatten(2)).unflatten(2, {bins, -1});
      xt = upsampler_t_(xt);
    }
    std::tie(x, xt) = transformer_->forward(x, xt, checkpoints_);
    if (downsampler_) {
      x = downsampler_(x.flatten(2)).unflatten(2, {bins, -1});
      xt = downsampler_t_(xt);
    }
    return {x, xt};
  }

 private:
  std::int64_t segment_frames_;  // 0: no padding
  std::int64_t innermost_;       // channels
  Conv1d upsampler_{nullptr}, downsampler_{nullptr}, upsampler_t_{nullptr}, downsampler_t_{nullptr};
  CrossTransformer transformer_{nullptr};
};

// A number or a fraction of two whole numbers, "39/5".
double ReadSeconds(const Config& config, const std::string& key, const std::string& fallback) {
  const std::string text = config.String(key, fallback);
  const std::size_t slash = text.find('/');
  const double seconds =
      ParseNumber(text.substr(0, slash)).value_or(NAN) /
      (slash == std::string::npos ? 1.0 : ParseNumber(text.substr(slash + 1)).value_or(NAN));
  constexpr double kLongest = 3600;
  if (!(seconds > 0 && seconds <= kLongest))
    throw Error::Usage(key + " is not a length between 0 and 3600 seconds: '" + text + "'",
                       config.Where(key), "for example segment: 7.8 or segment: 39/5");
  return seconds;
}

}  // namespace

std::shared_ptr<SeparationModel> MakeHTDemucs(const Config& config, const ModelSetting& setting) {
  HybridOptions defaults;
  defaults.depth = 4;
  defaults.multi_freqs_depth = 3;
  defaults.dconv.comp = 8;
  defaults.dconv.init = 1e-3;
  defaults.dconv.attn = defaults.dconv.lstm = 1000000;  // never
  const HybridOptions hybrid = ReadHybridOptions(config, defaults, /*version=*/4, setting);

  HtdemucsOptions options;
  CrossTransformerOptions& transformer = options.transformer;
  options.bottom_channels = config.IntegerIn("bottom_channels", options.bottom_channels, 0, 65536);
  transformer.layers = config.IntegerIn("t_layers", transformer.layers, 0, 100);
  transformer.heads = config.IntegerIn("t_heads", transformer.heads, 1, 1024);
  transformer.hidden_scale =
      config.NumberIn("t_hidden_scale", transformer.hidden_scale, 1e-3, 1000);
  transformer.dropout = config.NumberIn("t_dropout", transformer.dropout, 0, 0.99);
  transformer.max_period = config.NumberIn("t_max_period", transformer.max_period, 1, 1e9);
  transformer.position_weight =
      config.NumberIn("t_weight_pos_embed", transformer.position_weight, 0, 1000);
  options.segment_seconds = ReadSeconds(config, "segment", "10");
  options.use_train_segment = config.Bool("use_train_segment", options.use_train_segment);

  RequireOption(config, "t_emb", "sin");
  for (const char* key : {"t_norm_in", "t_norm_first", "t_norm_out", "t_layer_scale", "t_gelu"})
    RequireOption(config, key, "true");
  for (const char* key : {"t_norm_in_group", "t_group_norm", "t_cross_first", "t_sparse_self_attn",
                          "t_sparse_cross_attn"})
    RequireOption(config, key, "false");
  RequireOption(config, "t_sin_random_shift", "0");
  for (const char* key :
       {"t_max_positions", "t_weight_decay", "t_lr", "t_cape_mean_normalize", "t_cape_augment",
        "t_cape_glob_loc_scale", "t_mask_type", "t_mask_random_seed", "t_sparse_attn_window",
        "t_global_window", "t_sparsity", "t_auto_sparsity"})
    IgnoreOption(config, key);

  const double innermost = static_cast<double>(hybrid.channels) *
                           std::pow(hybrid.growth, static_cast<double>(hybrid.depth - 1));
  transformer.width =
      options.bottom_channels > 0 ? options.bottom_channels : static_cast<std::int64_t>(innermost);
  if (transformer.layers > 0 &&
      (transformer.width % 4 != 0 || transformer.width % transformer.heads != 0))
    throw Error::Usage("the transformer's width (" + std::to_string(transformer.width) +
                           ") must be a multiple of 4 and of t_heads",
                       config.Where(config.Has("t_heads") ? "t_heads" : ""),
                       "set bottom_channels, or other channels");
  if (hybrid.channels_time > 0 && hybrid.channels_time != hybrid.channels)
    throw Error::Usage("both branches must give the transformer as many channels",
                       config.Where("channels_time"), "leave channels_time out");
  return std::make_shared<HTDemucs>(hybrid, options, setting);
}

}  // namespace stemsmith
