// Spectrogram U-Net: an encoder–decoder with skips (Ronneberger et al. 2015; for music Jansson et
// al. 2017) looks at the mixture's log magnitudes and gives one mask per stem and channel, which
// scales the mixture's complex spectrum (the mixture's phase is kept). All stems come from one
// network.
//
// Where it differs from the papers: magnitudes are taken relative to the segment's mean, so that
// loudness does not matter; a bias per frequency at every encoder level tells the convolutions,
// which know no position, how high they look (as Open-Unmix does with its per-frequency scaling);
// bins above `bandwidth_hz` share the topmost mask.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/spectrogram_model.h"

namespace stemsmith {
namespace {

namespace F = torch::nn::functional;

struct UnetOptions {
  SpectrumOptions spectrum;
  double bandwidth_hz = 16000;  // what the network sees; lower is faster
  std::int64_t channels = 16;   // of the first level; the cost grows with its square
  double growth = 2;            // channels from level to level
  std::int64_t max_channels = 512;
  std::int64_t depth = 5;  // levels; each halves both axes
  std::string mask =
      "softmax";  // softmax: stems sum to the mixture; sigmoid and ratio: see the YAML
};

// Halves frequency and time: [B, in, F, N] → [B, out, F/2, N/2].
class DownLevelImpl : public torch::nn::Module {
 public:
  DownLevelImpl(std::int64_t in, std::int64_t out, std::int64_t bins_out) {
    conv_ = register_module(
        "conv",
        torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 4).stride(2).padding(1).bias(false)));
    norm_ = register_module("norm", torch::nn::BatchNorm2d(out));
    position_ = register_parameter("position", torch::zeros({1, out, bins_out, 1}));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return F::leaky_relu(norm_(conv_(x)) + position_,
                         F::LeakyReLUFuncOptions().negative_slope(0.2));
  }

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
  torch::Tensor position_;
};
TORCH_MODULE(DownLevel);

// Doubles frequency and time: [B, in, F, N] → [B, out, 2F, 2N]; the last level gives bare logits.
class UpLevelImpl : public torch::nn::Module {
 public:
  UpLevelImpl(std::int64_t in, std::int64_t out, bool last) {
    conv_ = register_module(
        "conv",
        torch::nn::ConvTranspose2d(
            torch::nn::ConvTranspose2dOptions(in, out, 4).stride(2).padding(1).bias(false)));
    if (!last) norm_ = register_module("norm", torch::nn::BatchNorm2d(out));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor y = conv_(x);
    return norm_ ? torch::relu(norm_(y)) : y;
  }

 private:
  torch::nn::ConvTranspose2d conv_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
};
TORCH_MODULE(UpLevel);

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
    input_scale_ = register_parameter("input_scale", torch::full({1, c, bins_, 1}, 0.4));
    input_bias_ = register_parameter("input_bias", torch::full({1, c, bins_, 1}, 1.2));
    output_scale_ = register_parameter("output_scale", torch::ones({1, masks_, bins_, 1}));
    output_bias_ = register_parameter("output_bias", torch::zeros({1, masks_, bins_, 1}));
    encoder_ = register_module("encoder", torch::nn::ModuleList());
    decoder_ = register_module("decoder", torch::nn::ModuleList());
    std::vector<std::int64_t> widths;
    double width = static_cast<double>(options.channels);
    for (std::int64_t level = 0; level < options.depth; ++level, width *= options.growth)
      widths.push_back(std::clamp<std::int64_t>(std::llround(width), 1, options.max_channels));
    for (std::int64_t level = 0; level < options.depth; ++level)
      encoder_->push_back(
          DownLevel(level == 0 ? c : widths[level - 1], widths[level], bins_ >> (level + 1)));
    for (std::int64_t level = options.depth - 1; level >= 0; --level) {
      const bool innermost = level == options.depth - 1;
      decoder_->push_back(UpLevel(widths[level] * (innermost ? 1 : 2),
                                  level == 0 ? masks_ : widths[level - 1], level == 0));
    }
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const std::int64_t c = setting_.channels;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    // [B, C, F, N + 1, 2]: real and imaginary parts in a last dimension.
    const torch::Tensor spectrum =
        torch::view_as_real(spectrum_->Transform(mix.flatten(0, 1))).unflatten(0, {-1, c});
    const torch::Tensor seen = spectrum.slice(2, 0, bins_).slice(3, 0, -1);
    torch::Tensor logits = Logits(torch::sqrt(torch::sum(seen * seen, -1) + kFloor));
    // The frame centred at the very end and the bins above the bandwidth take their neighbour's
    // mask.
    logits = torch::replication_pad2d(logits, {0, 1, 0, all_bins_ - bins_});
    const torch::Tensor masks = Masks(logits.unflatten(1, {stems, c}));  // [B, S, C, F, N + 1]
    const torch::Tensor separated = masks.unsqueeze(-1) * spectrum.unsqueeze(1);
    const torch::Tensor waves =
        spectrum_->Invert(torch::view_as_complex(separated.flatten(0, 2).contiguous()));
    return waves.unflatten(0, {-1, stems, c});
  }

  torch::Tensor EstimateMagnitudes(const torch::Tensor& mix) override {
    const torch::Tensor seen = mix.slice(2, 0, bins_);
    torch::Tensor logits = Logits(torch::sqrt(seen * seen + kFloor));
    logits = torch::replication_pad2d(logits, {0, 0, 0, all_bins_ - bins_});
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    const std::int64_t c = setting_.channels;
    return Masks(logits.unflatten(1, {stems, c})) * mix.unsqueeze(1);
  }

  LengthRule length_rule() const override {
    return {.dynamic = true,
            .offset_frames = 0,
            .multiple_frames = options_.spectrum.hop << options_.depth};
  }

 private:
  // Added to squared magnitudes. It is 120 dB below a bin of magnitude 1: no division by zero in
  // silence, nothing to hear.
  static constexpr double kFloor = 1e-12;

  // Magnitudes of the bins that are seen [B, C, bins, N] → [B, S·C, bins, N].
  torch::Tensor Logits(const torch::Tensor& magnitude) {
    const torch::Tensor relative = magnitude / magnitude.mean({1, 2, 3}, /*keepdim=*/true);
    torch::Tensor x = torch::log(relative + 1e-3) * input_scale_ + input_bias_;
    std::vector<torch::Tensor> skips;
    for (const auto& level : *encoder_) skips.push_back(x = level->as<DownLevel>()->forward(x));
    for (std::size_t i = 0; i < decoder_->size(); ++i) {
      if (i > 0) x = torch::cat({x, skips[skips.size() - 1 - i]}, 1);
      x = decoder_->ptr(i)->as<UpLevel>()->forward(x);
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
  torch::nn::ModuleList encoder_, decoder_;
  torch::Tensor input_scale_, input_bias_, output_scale_, output_bias_;
};

}  // namespace

std::shared_ptr<SeparationModel> MakeUnet(const Config& config, const ModelSetting& setting) {
  UnetOptions options;
  const UnetOptions defaults;
  options.spectrum.n_fft = config.IntegerIn("n_fft", defaults.spectrum.n_fft, 16, 65536);
  options.spectrum.hop = config.IntegerIn("hop", defaults.spectrum.hop, 1, 32768);
  options.bandwidth_hz = config.NumberIn("bandwidth_hz", defaults.bandwidth_hz, 1, 1e6);
  options.channels = config.IntegerIn("channels", defaults.channels, 1, 4096);
  options.growth = config.NumberIn("growth", defaults.growth, 0.1, 16);
  options.max_channels = config.IntegerIn("max_channels", defaults.max_channels, 1, 4096);
  options.depth = config.IntegerIn("depth", defaults.depth, 1, 10);
  // A softmax over one stem would be constant.
  options.mask = config.Choice("mask", setting.stems.size() > 1 ? "softmax" : "sigmoid",
                               {"softmax", "sigmoid", "ratio"});
  if (options.spectrum.n_fft % 2 != 0 || options.spectrum.hop * 2 > options.spectrum.n_fft ||
      options.spectrum.n_fft % options.spectrum.hop != 0)
    throw Error::Usage("hop must divide n_fft at least twice, and n_fft must be even",
                       config.Where(config.Has("hop") ? "hop" : "n_fft"),
                       "for example n_fft: 4096 with hop: 1024");
  if (options.spectrum.n_fft / 2 + 1 < (std::int64_t{1} << options.depth))
    throw Error::Usage("depth halves the frequency axis too often for this n_fft",
                       config.Where(config.Has("depth") ? "depth" : "n_fft"),
                       "use a smaller depth or a larger n_fft");
  if (setting.stems.size() < 2 && options.mask != "sigmoid")
    throw Error::Usage("the mask '" + options.mask + "' needs at least two stems",
                       config.Where("mask"), "use mask: sigmoid");
  return std::make_shared<Unet>(options, setting);
}

}  // namespace stemsmith
