// Spectrogram U-Net: an encoder–decoder with skips (Ronneberger et al. 2015) looks at the mixture's
// magnitudes and gives one mask per stem and channel, which scales the mixture's complex spectrum
// (the mixture's phase is kept), or with `mask: none` the stems' magnitudes. All stems come from
// one network. Its options span the U-Nets of Jansson et al. 2017 and of Spleeter (5 × 5
// convolutions, dropout, sigmoid masks) and of Oh et al. 2018 (arXiv:1810.11520: all stems'
// magnitudes at once), residual blocks, attention gates and a recurrent bottleneck:
// configs/models/unet*.yaml.
//
// Where it differs from the papers: magnitudes are taken relative to the segment's mean, so that
// loudness does not matter; `position`, a bias per frequency at every encoder level, tells the
// convolutions, which know no position, how high they look (as Open-Unmix does with its
// per-frequency scaling); bins above `bandwidth_hz` share the topmost mask.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/layers/checkpointed.h"
#include "models/layers/replication_pad.h"
#include "models/layers/unet_levels.h"
#include "models/spectrogram_model.h"

namespace stemsmith {
namespace {

// Levels with dropout, as in Jansson et al.
constexpr std::int64_t kDropoutLevels = 3;

struct UnetOptions {
  StftLayerOptions spectrum;
  double bandwidth_hz = 16000;  // what the network sees; lower is faster
  std::int64_t channels = 16;   // of the first level; the cost grows with its square
  double growth = 2;            // channels from level to level
  std::int64_t max_channels = 512;
  std::int64_t depth = 5;        // levels; each halves both axes
  std::string mask = "softmax";  // softmax: stems sum to the mixture; others: see the YAML
  bool log_input = true;         // logarithms of the magnitudes go in, else the magnitudes
  UnetLevelOptions levels;
  double dropout = 0;          // behind the innermost levels of the decoder, three at most
  bool attention = false;      // a gate on every skip
  std::int64_t recurrent = 0;  // width of the LSTM in the bottleneck; 0: none
};

class Unet : public SpectrogramModel {
 public:
  Unet(const UnetOptions& options, ModelSetting setting)
      : SpectrogramModel(options.spectrum, std::move(setting)), options_(options) {
    const std::int64_t step = std::int64_t{1} << options.depth;
    all_bins_ = options.spectrum.n_fft / 2 + 1;
    // The number of bins seen: a multiple of 2^depth that covers the bandwidth where it can.
    const double bin_hz = static_cast<double>(setting_.sample_rate_hz) / options.spectrum.n_fft;
    const auto wanted = static_cast<std::int64_t>(std::ceil(options.bandwidth_hz / bin_hz / step));
    bins_ = std::clamp<std::int64_t>(wanted, 1, all_bins_ / step) * step;

    const auto c = static_cast<std::int64_t>(setting_.channels);
    masks_ = static_cast<std::int64_t>(setting_.stems.size()) * c;
    // Log magnitudes relative to the mean lie about -3 ± 2.5.
    const bool log = options.log_input;
    input_scale_ =
        register_parameter("input_scale", torch::full({1, c, bins_, 1}, log ? 0.4 : 1.0));
    input_bias_ = register_parameter("input_bias", torch::full({1, c, bins_, 1}, log ? 1.2 : 0.0));
    output_scale_ = register_parameter("output_scale", torch::ones({1, masks_, bins_, 1}));
    output_bias_ = register_parameter("output_bias", torch::zeros({1, masks_, bins_, 1}));
    encoder_ = register_module("encoder", torch::nn::ModuleList());
    decoder_ = register_module("decoder", torch::nn::ModuleList());
    std::vector<std::int64_t> widths;
    double width = static_cast<double>(options.channels);
    for (std::int64_t level = 0; level < options.depth; ++level, width *= options.growth)
      widths.push_back(std::clamp<std::int64_t>(std::llround(width), 1, options.max_channels));
    for (std::int64_t level = 0; level < options.depth; ++level)
      encoder_->push_back(DownLevel(level == 0 ? c : widths[level - 1], widths[level],
                                    bins_ >> (level + 1), options.levels));
    if (options.recurrent > 0)
      bottleneck_ = register_module(
          "bottleneck",
          RecurrentBottleneck(widths.back(), bins_ >> options.depth, options.recurrent));
    if (options.attention) gates_ = register_module("gates", torch::nn::ModuleList());
    for (std::int64_t level = options.depth - 1; level >= 0; --level) {
      const bool innermost = level == options.depth - 1;
      const bool dropout = options.depth - 1 - level < kDropoutLevels;
      decoder_->push_back(UpLevel(widths[level] * (innermost ? 1 : 2),
                                  level == 0 ? masks_ : widths[level - 1], level == 0,
                                  dropout ? options.dropout : 0.0, options.levels));
      if (gates_ && !innermost) gates_->push_back(AttentionGate(widths[level]));
    }
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const std::int64_t c = setting_.channels;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    // [B, C, F, N + 1, 2]: real and imaginary parts in a last dimension.
    const torch::Tensor spectrum =
        torch::view_as_real(spectrum_->Transform(mix.flatten(0, 1))).unflatten(0, {-1, c});
    const torch::Tensor seen = spectrum.slice(2, 0, bins_).slice(3, 0, -1);
    torch::Tensor masks = Estimate(torch::sqrt(torch::sum(seen * seen, -1) + kFloor), 1);
    if (options_.mask == "none")
      masks = masks / torch::sqrt(torch::sum(spectrum * spectrum, -1) + kFloor).unsqueeze(1);
    const torch::Tensor separated = masks.unsqueeze(-1) * spectrum.unsqueeze(1);
    const torch::Tensor waves =
        spectrum_->Invert(torch::view_as_complex(separated.flatten(0, 2).contiguous()));
    return waves.unflatten(0, {-1, stems, c});
  }

  torch::Tensor EstimateMagnitudes(const torch::Tensor& mix) override {
    const torch::Tensor seen = mix.slice(2, 0, bins_);
    const torch::Tensor estimate = Estimate(torch::sqrt(seen * seen + kFloor), 0);
    return options_.mask == "none" ? estimate : estimate * mix.unsqueeze(1);
  }

  LengthRule length_rule() const override {
    return {.dynamic = true,
            .offset_frames = 0,
            .multiple_frames = options_.spectrum.hop << options_.depth};
  }
  bool has_checkpoints() const override { return true; }

 private:
  // Added to squared magnitudes. It is 120 dB below a bin of magnitude 1: no division by zero in
  // silence, nothing to hear.
  static constexpr double kFloor = 1e-12;

  // Magnitudes of the bins that are seen [B, C, bins, N] → masks, or with `mask: none` magnitudes,
  // of all bins [B, S, C, F, N + extra_frames].
  torch::Tensor Estimate(const torch::Tensor& magnitude, std::int64_t extra_frames) {
    const torch::Tensor mean = magnitude.mean({1, 2, 3}, /*keepdim=*/true);
    torch::Tensor y = Network(magnitude / mean);
    const std::int64_t unseen = all_bins_ - bins_;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    const std::int64_t c = setting_.channels;
    // Frames that are added, as the one centred at the very end, are like their neighbour.
    if (options_.mask == "none") {
      y = ReplicationPad(torch::relu(y) * mean, {0, extra_frames, 0, 0});
      return torch::constant_pad_nd(y, {0, 0, 0, unseen}).unflatten(1, {stems, c});
    }
    // Bins above the bandwidth take the mask of the topmost that is seen.
    y = ReplicationPad(y, {0, extra_frames, 0, unseen});
    return Masks(y.unflatten(1, {stems, c}));
  }

  // Relative magnitudes [B, C, bins, N] → [B, S·C, bins, N].
  torch::Tensor Network(const torch::Tensor& relative) {
    torch::Tensor x = options_.log_input ? torch::log(relative + 1e-3) : relative;
    x = x * input_scale_ + input_bias_;
    std::vector<torch::Tensor> skips;
    for (const auto& level : *encoder_)
      skips.push_back(x = CheckpointedIf(checkpoints_, *level->as<DownLevel>(), x));
    if (bottleneck_) x = bottleneck_(x);
    for (std::size_t i = 0; i < decoder_->size(); ++i) {
      if (i > 0) {
        torch::Tensor skip = skips[skips.size() - 1 - i];
        if (gates_) skip = gates_->ptr(i - 1)->as<AttentionGate>()->forward(skip, x);
        x = torch::cat({x, skip}, 1);
      }
      x = CheckpointedIf(checkpoints_, *decoder_->ptr(i)->as<UpLevel>(), x);
    }
    return x * output_scale_ + output_bias_;
  }

  torch::Tensor Masks(const torch::Tensor& logits) const {
    if (options_.mask == "softmax") return torch::softmax(logits, 1);
    const torch::Tensor sigmoid = torch::sigmoid(logits);
    if (options_.mask == "sigmoid") return sigmoid;
    return sigmoid / (sigmoid.sum(1, /*keepdim=*/true) + 1e-6);
  }

  UnetOptions options_;
  std::int64_t all_bins_ = 0, bins_ = 0, masks_ = 0;
  torch::nn::ModuleList encoder_, decoder_, gates_{nullptr};
  RecurrentBottleneck bottleneck_{nullptr};
  torch::Tensor input_scale_, input_bias_, output_scale_, output_bias_;
};

}  // namespace

std::shared_ptr<SeparationModel> MakeUnet(const Config& config, const ModelSetting& setting) {
  UnetOptions options;
  const UnetOptions defaults;
  options.spectrum = defaults.spectrum.Read(config);
  options.bandwidth_hz = config.NumberIn("bandwidth_hz", defaults.bandwidth_hz, 1, 1e6);
  options.channels = config.IntegerIn("channels", defaults.channels, 1, 4096);
  options.growth = config.NumberIn("growth", defaults.growth, 0.1, 16);
  options.max_channels = config.IntegerIn("max_channels", defaults.max_channels, 1, 4096);
  options.depth = config.IntegerIn("depth", defaults.depth, 1, 10);
  // A softmax over one stem would be constant.
  options.mask = config.Choice("mask", setting.stems.size() > 1 ? "softmax" : "sigmoid",
                               {"softmax", "sigmoid", "ratio", "none"});
  options.log_input = config.Choice("input", "log", {"log", "linear"}) == "log";
  options.levels.kernel_size = config.IntegerIn("kernel_size", options.levels.kernel_size, 2, 31);
  options.levels.position = config.Bool("position", options.levels.position);
  options.levels.residual = config.Bool("residual", options.levels.residual);
  options.attention = config.Bool("attention", options.attention);
  options.dropout = config.NumberIn("dropout", options.dropout, 0, 0.99);
  if (config.Choice("bottleneck", "none", {"none", "blstm"}) == "blstm")
    options.recurrent = config.IntegerIn("bottleneck_width", 256, 1, 8192);
  if (options.spectrum.n_fft / 2 + 1 < (std::int64_t{1} << options.depth))
    throw Error::Usage("depth halves the frequency axis too often for this n_fft",
                       config.Where(config.Has("depth") ? "depth" : "n_fft"),
                       "use a smaller depth or a larger n_fft");
  if (setting.stems.size() < 2 && options.mask != "sigmoid" && options.mask != "none")
    throw Error::Usage("the mask '" + options.mask + "' needs at least two stems",
                       config.Where("mask"), "use mask: sigmoid or none");
  return std::make_shared<Unet>(options, setting);
}

}  // namespace stemsmith
