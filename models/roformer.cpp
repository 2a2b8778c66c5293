// Band-split and mel-band RoFormers (Lu et al., "Music Source Separation with Band-Split RoPE
// Transformer", 2023; Wang et al., "Mel-Band RoFormer for Music Source Separation", 2023), as
// BSRoformer and MelBandRoformer of ZFTurbo's Music-Source-Separation-Training
// (models/bs_roformer, ccc011a) and of PyPI BS-RoFormer 0.3 to 0.5: bands of the spectrum become
// tokens, attention looks over time and over bands in turns, and a head per stem makes a complex
// mask of every band. Same names in the state dict, same numbers.
//
// Where it differs: estimates are always [B, S, C, T] and as long as the mix, where the mel-band
// original may drop the last frames and the dimension of a single stem. Any number of channels is
// taken. A mix shorter than the STFT's reflection (n_fft / 2 + 1 frames) or than a hop per group of
// frames is padded with zeros, where the originals refuse what is shorter than the former. Rotary
// angles and norms stay in float32 under autocast.
#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "models/layers/bands.h"
#include "models/layers/checkpointed.h"
#include "models/layers/positions.h"
#include "models/layers/roformer.h"
#include "models/layers/stft.h"
#include "models/original_options.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

struct BandRoformerOptions {
  StftLayerOptions stft = {.n_fft = 2048, .hop = 512, .edges = StftEdges::kReflected};
  RoformerOptions transformer;    // what all have in common
  std::int64_t depth = 6;         // blocks
  std::int64_t time_depth = 2;    // layers of attention over time in a block
  std::int64_t freq_depth = 2;    // over bands
  std::int64_t linear_depth = 0;  // over both
  Bands bands;
  std::int64_t hidden_layers = 1;  // of the heads
  std::int64_t expansion = 4;      // their width, in widths of a token
  bool zero_dc = true;             // stems have nothing at 0 Hz
  bool skip_connection = false;    // a block sees the sum of all earlier ones' results
  bool use_pope = false;           // polar positions
  bool value_residual = false;     // later blocks mix in the first one's values
  bool final_norm = false;

  // Of bands, and of frames: fewer for models of many layers, as the nodes of exports are as many
  // as layers times groups, and ONNX Runtime opens a file in a time that grows with their square.
  std::int64_t groups() const {
    constexpr std::int64_t kMostRuns = 96;  // of layers by groups
    const std::int64_t layers = depth * (time_depth + freq_depth);
    return std::clamp<std::int64_t>(kMostRuns / std::max<std::int64_t>(layers, 1), 2, 8);
  }
};

class BandRoformer : public SeparationModel {
 public:
  BandRoformer(BandRoformerOptions options, ModelSetting setting)
      : SeparationModel(std::move(setting)), options_(std::move(options)) {
    stft_ = register_module("stft", StftLayer(options_.stft));
    const std::int64_t width = options_.transformer.width;
    for (std::int64_t i = 0; i < options_.depth; ++i) AddBlock(i);
    register_module("layers", layers_);
    if (options_.final_norm) final_norm_ = register_module("final_norm", RmsNorm(width));
    const BandOptions bands{options_.bands, 2 * setting_.channels, width};
    band_split_ = register_module("band_split", BandSplit(bands));
    for (std::size_t s = 0; s < setting_.stems.size(); ++s)
      mask_estimators_->push_back(
          MaskEstimator(bands, options_.expansion * width, options_.hidden_layers));
    register_module("mask_estimators", mask_estimators_);
    shares_ = RegisterTransientBuffer(*this, "shares", Shares());
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    std::vector<std::int64_t> places(setting_.stems.size());
    std::iota(places.begin(), places.end(), 0);
    return SeparateStems(mix, places);
  }

  // The STFT reflects n_fft / 2 frames at either end, which takes one frame more than that.
  // Where windows overlap by half only, hardly anything of the last one sounds far behind its
  // middle, and dividing by that would blow up what the masks change there: the middle is then at
  // the end.
  LengthRule length_rule() const override {
    const StftLayerOptions& stft = options_.stft;
    const std::int64_t step = 2 * stft.hop == stft.window_frames ? stft.hop : 1;
    // A frame for every group, too.
    const std::int64_t frames = std::max(stft.n_fft / 2 + 1, options_.groups() * stft.hop);
    const std::int64_t least = (frames + step - 1) / step * step;
    return {.dynamic = true, .offset_frames = least, .multiple_frames = step};
  }
  bool has_checkpoints() const override { return true; }
  nlohmann::json stft() const override { return stft_->Description(); }

 protected:
  torch::Tensor SeparateStems(const torch::Tensor& mix,
                              const std::vector<std::int64_t>& places) override {
    const std::int64_t channels = setting_.channels;
    const torch::Tensor rows = torch::view_as_real(stft_->Transform(mix.flatten(0, 1)))
                                   .unflatten(0, {-1, channels})
                                   .permute({0, 3, 2, 1, 4})
                                   .flatten(2);  // [B, N, F · C · 2]
    const torch::Tensor tokens = Tokens(rows);
    const torch::Tensor shared = rows * shares_;
    const torch::Tensor spectrum = torch::view_as_complex(shared.unflatten(-1, {-1, 2}));
    std::vector<torch::Tensor> stems;
    for (const std::int64_t place : places) {
      auto& head = *mask_estimators_->ptr(static_cast<std::size_t>(place))->as<MaskEstimator>();
      const torch::Tensor mask = CheckpointedIf(checkpoints_, head, tokens);
      const torch::Tensor masked =
          torch::view_as_complex(mask.unflatten(-1, {-1, 2})) * spectrum;  // [B, N, F · C]
      const torch::Tensor spectra = masked.unflatten(-1, {-1, channels})
                                        .permute({0, 3, 1, 2})
                                        .flatten(0, 1)
                                        .transpose(1, 2);  // [B · C, F, N]
      stems.push_back(stft_->InvertToLengthOf(spectra, mix).unflatten(0, {-1, channels}));
    }
    return torch::stack(stems, 1);
  }

 private:
  // The positions along one axis, which all its layers share.
  struct Axis {
    std::shared_ptr<Turns> turns;  // a part of its first layer
    std::string name;              // of that part
  };

  void AddBlock(std::int64_t index) {
    torch::nn::ModuleList block;
    RoformerOptions options = options_.transformer;
    if (options_.linear_depth > 0) {
      options.depth = options_.linear_depth;
      options.linear = true;
      block->push_back(Roformer(options));
      options.linear = false;
    }
    options.mixes_values = options_.value_residual && index > 0;
    for (Axis* axis : {&time_, &freq_}) {
      options.depth = axis == &time_ ? options_.time_depth : options_.freq_depth;
      Roformer transformer(options);
      for (std::int64_t j = 0; j < options.depth; ++j)
        AddTurns(*axis, transformer->attention(j),
                 "layers." + std::to_string(index) + "." + std::to_string(block->size()) +
                     ".layers." + std::to_string(j) + ".0.");
      block->push_back(transformer);
    }
    layers_->push_back(block);
  }

  void AddTurns(Axis& axis, torch::nn::Module& attention, const std::string& attention_name) {
    const RoformerOptions& options = options_.transformer;
    const std::string part = options_.use_pope ? "pope_embed" : "rotary_embed";
    const std::string name = attention_name + part + ".";
    if (!axis.turns) {
      if (options_.use_pope) {
        axis.turns = std::make_shared<Pope>(options.heads, options.head_width);
      } else {
        axis.turns = std::make_shared<Rotary>(options.head_width);
      }
      axis.name = name;
      attention.register_module(part, axis.turns);
      return;
    }
    for (const auto& item : axis.turns->named_parameters())
      AddAlias(name + item.key(), axis.name + item.key());
    for (const auto& item : axis.turns->named_buffers())
      AddAlias(name + item.key(), axis.name + item.key());
  }

  // rows [B, N, F · C · 2] → what the heads look at, [K, B, N, width].
  torch::Tensor Tokens(const torch::Tensor& rows) {
    torch::Tensor x = CheckpointedIf(checkpoints_, *band_split_, rows);
    const auto turns_of = [&](const Axis& axis, const torch::Tensor& positions) {
      return axis.turns ? axis.turns->Of(positions) : std::vector<torch::Tensor>();
    };
    // Positions of the rows, not of x, which runtimes would hold until they compute them.
    const auto bands = static_cast<std::int64_t>(options_.bands.size());
    const std::vector<torch::Tensor> time_turns = turns_of(time_, Positions(rows, 1)),
                                     freq_turns =
                                         turns_of(freq_, Positions(rows.narrow(2, 0, bands), 2));
    // What an axis' first transformer keeps for the later ones, of every group of rows.
    std::vector<torch::Tensor> time_values(static_cast<std::size_t>(options_.groups())),
        freq_values = time_values;
    torch::Tensor no_values, earlier;
    for (const auto& module : *layers_) {  // x [B, K, N, width]
      auto& block = *module->as<torch::nn::ModuleList>();
      const auto run = [&](std::size_t part, const torch::Tensor& tokens,
                           const std::vector<torch::Tensor>& turns, torch::Tensor& values) {
        return block.ptr(part)->as<Roformer>()->forward(tokens, turns, values, checkpoints_);
      };
      const std::size_t time = options_.linear_depth > 0 ? 1 : 0;
      if (time == 1) x = run(0, x.flatten(1, 2), {}, no_values).view_as(x);
      if (options_.skip_connection && earlier.defined()) x = x + earlier;
      x = InGroups(x, 1, [&](const torch::Tensor& group, std::size_t index) {
        return run(time, group.flatten(0, 1), time_turns, time_values[index]).view_as(group);
      });
      x = InGroups(x, 2, [&](const torch::Tensor& group, std::size_t index) {
        const torch::Tensor by_frames = group.transpose(1, 2).contiguous();
        return run(time + 1, by_frames.flatten(0, 1), freq_turns, freq_values[index])
            .view_as(by_frames)
            .transpose(1, 2);
      });
      if (options_.skip_connection) earlier = earlier.defined() ? earlier + x : x;
    }
    if (final_norm_)
      x = InGroups(x, 1, [&](const torch::Tensor& group, std::size_t) {
        return final_norm_(group);
      });
    return x.transpose(0, 1);
  }

  // Where there are no gradients, groups of rows along `dim` are transformed one after the other:
  // what is computed within is several times as large as the result.
  template <typename Transform>
  torch::Tensor InGroups(const torch::Tensor& x, std::int64_t dim,
                         const Transform& transform) const {
    const std::int64_t count =
        torch::GradMode::is_enabled() ? 1 : std::min<std::int64_t>(options_.groups(), x.size(dim));
    if (count == 1) return transform(x, 0).contiguous();
    std::vector<torch::Tensor> groups;
    for (const torch::Tensor& group : x.tensor_split(count, dim))
      groups.push_back(transform(group, groups.size()));
    return torch::cat(groups, dim);
  }

  // What every number of a row is multiplied with: where masks of two bands are summed, a half; at
  // 0 Hz nothing, with zero_dc.
  torch::Tensor Shares() const {
    const std::int64_t bins = options_.stft.n_fft / 2 + 1;
    torch::Tensor bands_of_bin = torch::zeros({bins});
    for (const auto& [first, count] : options_.bands) bands_of_bin.narrow(0, first, count) += 1;
    torch::Tensor shares = bands_of_bin.reciprocal();
    if (options_.zero_dc) shares[0] = 0;
    return shares.repeat_interleave(2 * setting_.channels);
  }

  BandRoformerOptions options_;
  Axis time_, freq_;
  StftLayer stft_{nullptr};
  BandSplit band_split_{nullptr};
  torch::nn::ModuleList layers_, mask_estimators_;
  RmsNorm final_norm_{nullptr};
  torch::Tensor shares_;  // [F · C · 2], transient
};

// What the model's setting says already: taken where both agree.
void CheckImplied(const Config& config, const std::string& key, const std::string& implied) {
  if (!config.Has(key)) return;
  const std::string given = config.String(key, implied);
  if (LowerCase(given) != implied)
    throw Error::Usage(key + " is " + given + ", but stems, channels and sample rate make it " +
                           implied,
                       config.Where(key), "leave the option out");
}

// What both rows have in common. Defaults that differ are in `options`.
BandRoformerOptions ReadOptions(const Config& config, const ModelSetting& setting,
                                BandRoformerOptions options) {
  RoformerOptions& transformer = options.transformer;
  StftLayerOptions& stft = options.stft;
  transformer.width = config.IntegerIn("dim", transformer.width, 1, 65536);
  options.depth = config.IntegerIn("depth", options.depth, 1, 1000);
  options.time_depth = config.IntegerIn("time_transformer_depth", options.time_depth, 0, 100);
  options.freq_depth = config.IntegerIn("freq_transformer_depth", options.freq_depth, 0, 100);
  options.linear_depth = config.IntegerIn("linear_transformer_depth", options.linear_depth, 0, 100);
  transformer.head_width = config.IntegerIn("dim_head", transformer.head_width, 1, 65536);
  transformer.heads = config.IntegerIn("heads", transformer.heads, 1, 65536);
  transformer.attention_dropout =
      config.NumberIn("attn_dropout", transformer.attention_dropout, 0, 0.99);
  transformer.feed_forward_dropout =
      config.NumberIn("ff_dropout", transformer.feed_forward_dropout, 0, 0.99);
  stft.n_fft = config.IntegerIn("stft_n_fft", stft.n_fft, 16, 65536);
  stft.hop = config.IntegerIn("stft_hop_length", stft.hop, 1, 32768);
  stft.window_frames = config.IntegerIn("stft_win_length", 2048, 16, 65536);
  stft.normalized = config.Bool("stft_normalized", stft.normalized);
  options.zero_dc = config.Bool("zero_dc", options.zero_dc);
  options.expansion = config.IntegerIn("mlp_expansion_factor", options.expansion, 1, 64);
  options.skip_connection = config.Bool("skip_connection", options.skip_connection);
  options.use_pope = config.Bool("use_pope", options.use_pope);
  options.value_residual = config.Bool("value_residual", options.value_residual);

  CheckImplied(config, "num_stems", std::to_string(setting.stems.size()));
  CheckImplied(config, "stereo", setting.channels == 2 ? "true" : "false");
  // Of the loss, or of how the original computes.
  for (const char* key :
       {"multi_stft_resolution_loss_weight", "multi_stft_resolutions_window_sizes",
        "multi_stft_hop_size", "multi_stft_normalized", "dim_freqs_in", "flash_attn",
        "sage_attention", "use_torch_checkpoint"})
    IgnoreOption(config, key);

  if (stft.n_fft % 2 != 0 || stft.window_frames > stft.n_fft)
    throw Error::Usage("stft_n_fft must be even and not below stft_win_length",
                       config.Where("stft_n_fft"), "for example 2048 of both");
  if (2 * stft.hop > stft.window_frames)
    throw Error::Usage("stft_hop_length must be at most half of stft_win_length",
                       config.Where("stft_hop_length"), "for example 512 with windows of 2048");
  if (!options.use_pope && transformer.head_width % 2 != 0)
    throw Error::Usage("dim_head is odd, but rotary positions turn pairs of numbers",
                       config.Where("dim_head"), "use an even one, or use_pope: true");
  return options;
}

}  // namespace

std::shared_ptr<SeparationModel> MakeBsRoformer(const Config& config, const ModelSetting& setting) {
  BandRoformerOptions options = ReadOptions(config, setting, {.final_norm = true});
  std::vector<std::int64_t> widths;
  for (const auto& [count, width] :
       {std::pair{24, 2}, {12, 4}, {8, 12}, {8, 24}, {8, 48}, {1, 128}, {1, 129}})
    widths.insert(widths.end(), static_cast<std::size_t>(count), width);
  options.bands = AdjoiningBands(IntegersIn(config, "freqs_per_bands", widths, 1, 32769));
  // Layers of each band's perceptron, the last one without an activation.
  options.hidden_layers = config.IntegerIn("mask_estimator_depth", 2, 1, 100) - 1;
  std::int64_t bins = 0;
  for (const Band& band : options.bands) bins += band.bins;
  const std::int64_t wanted = options.stft.n_fft / 2 + 1;
  if (bins != wanted)
    throw Error::Usage("freqs_per_bands has " + std::to_string(bins) +
                           " bins, but a spectrum has " + std::to_string(wanted),
                       config.Where("freqs_per_bands"), "share out stft_n_fft / 2 + 1 bins");
  return std::make_shared<BandRoformer>(options, setting);
}

std::shared_ptr<SeparationModel> MakeMelBandRoformer(const Config& config,
                                                     const ModelSetting& setting) {
  BandRoformerOptions defaults;
  defaults.transformer.norm_output = true;
  defaults.transformer.attention_dropout = defaults.transformer.feed_forward_dropout = 0.1;
  BandRoformerOptions options = ReadOptions(config, setting, defaults);
  const std::int64_t bands = config.IntegerIn("num_bands", 60, 2, 32769);
  CheckImplied(config, "sample_rate", std::to_string(setting.sample_rate_hz));
  IgnoreOption(config, "match_input_audio_length");
  options.bands = MelBands(setting.sample_rate_hz, options.stft.n_fft, bands);
  // Hidden layers of each band's perceptron: the originals count otherwise for this row.
  options.hidden_layers = config.IntegerIn("mask_estimator_depth", 1, 0, 100);
  std::int64_t end = 0;
  for (const auto& [first, bins] : options.bands) {
    if (bins == 0 || first > end)
      throw Error::Usage("there are too many bands for the bins of stft_n_fft",
                         config.Where("num_bands"), "use fewer, or a longer stft_n_fft");
    end = first + bins;
  }
  return std::make_shared<BandRoformer>(options, setting);
}

}  // namespace stemsmith
