// Wave U-Net: a one-dimensional U-Net on raw audio (after Stoller et al. 2018 and the
// two-dimensional masking U-Net of Jansson et al. 2017). Strided convolutions halve the time steps
// from level to level, transposed ones double them again beside the encoder's outputs, and what
// comes out at the top is a mask per stem and channel that multiplies the mixture's samples.
//
// Where it differs from Stoller: strides instead of decimation and interpolation, batch
// normalisation, and a mask instead of the waves themselves (`mask: none` gives waves).
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/layers/batch_norm.h"
#include "models/layers/checkpointed.h"
#include "models/layers/convolution.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

struct WaveUnetOptions {
  std::int64_t channels = 16;  // of the first level; the cost grows with its square
  double growth = 2;           // channels from level to level
  std::int64_t max_channels = 512;
  std::int64_t depth = 6;         // levels; each halves the time steps
  std::int64_t kernel_size = 15;  // of all convolutions, in steps of their level
  double dropout = 0.5;           // in the innermost decoder levels while training
  std::int64_t dropout_levels = 3;
  std::string mask = "tanh";  // see the YAML
};

// What all levels share, so that each halves or doubles exactly.
std::int64_t WavePadding(std::int64_t kernel) { return (kernel - 1) / 2; }
std::int64_t WaveOutputPadding(std::int64_t kernel) { return kernel % 2; }

// Halves time: [B, in, T] → [B, out, T/2].
class WaveDownImpl : public torch::nn::Module {
 public:
  WaveDownImpl(std::int64_t in, std::int64_t out, std::int64_t kernel) {
    conv_ = register_module("conv", Conv1d(torch::nn::Conv1dOptions(in, out, kernel)
                                               .stride(2)
                                               .padding(WavePadding(kernel))
                                               .bias(false)));
    norm_ = register_module("norm", BatchNorm1d(out));
  }
  torch::Tensor forward(const torch::Tensor& x) { return torch::leaky_relu(norm_(conv_(x)), 0.2); }

 private:
  Conv1d conv_{nullptr};
  BatchNorm1d norm_{nullptr};
};
TORCH_MODULE(WaveDown);

// Doubles time: [B, in, T] → [B, out, 2T]; the last level gives bare logits.
class WaveUpImpl : public torch::nn::Module {
 public:
  WaveUpImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, double dropout, bool last)
      : dropout_(dropout) {
    conv_ =
        register_module("conv", ConvTranspose1d(torch::nn::ConvTranspose1dOptions(in, out, kernel)
                                                    .stride(2)
                                                    .padding(WavePadding(kernel))
                                                    .output_padding(WaveOutputPadding(kernel))
                                                    .bias(last)));
    if (!last) norm_ = register_module("norm", BatchNorm1d(out));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor y = conv_(x);
    if (!norm_) return y;
    const torch::Tensor active = torch::relu(norm_(y));
    return dropout_ > 0 ? torch::dropout(active, dropout_, is_training()) : active;
  }

 private:
  double dropout_;
  ConvTranspose1d conv_{nullptr};
  BatchNorm1d norm_{nullptr};
};
TORCH_MODULE(WaveUp);

class WaveUnet : public SeparationModel {
 public:
  WaveUnet(const WaveUnetOptions& options, ModelSetting setting)
      : SeparationModel(std::move(setting)), options_(options) {
    const auto c = static_cast<std::int64_t>(setting_.channels);
    const auto masks = static_cast<std::int64_t>(setting_.stems.size()) * c;
    std::vector<std::int64_t> widths;
    double width = static_cast<double>(options.channels);
    for (std::int64_t level = 0; level < options.depth; ++level, width *= options.growth) {
      const double bounded = std::min(width, static_cast<double>(options.max_channels));
      widths.push_back(std::max<std::int64_t>(1, std::llround(bounded)));
    }
    encoder_ = register_module("encoder", torch::nn::ModuleList());
    decoder_ = register_module("decoder", torch::nn::ModuleList());
    for (std::size_t level = 0; level < widths.size(); ++level)
      encoder_->push_back(
          WaveDown(level == 0 ? c : widths[level - 1], widths[level], options.kernel_size));
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::size_t level = widths.size() - 1 - i;
      const bool dropped = static_cast<std::int64_t>(i) < options.dropout_levels;
      decoder_->push_back(WaveUp(widths[level] * (i == 0 ? 1 : 2),
                                 level == 0 ? masks : widths[level - 1], options.kernel_size,
                                 dropped ? options.dropout : 0.0, /*last=*/level == 0));
    }
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    torch::Tensor x = mix;
    std::vector<torch::Tensor> skips;
    for (const auto& level : *encoder_)
      skips.push_back(x = CheckpointedIf(checkpoints_, *level->as<WaveDown>(), x));
    for (std::size_t i = 0; i < decoder_->size(); ++i) {
      if (i > 0) x = torch::cat({x, skips[skips.size() - 1 - i]}, 1);
      x = CheckpointedIf(checkpoints_, *decoder_->ptr(i)->as<WaveUp>(), x);
    }
    const torch::Tensor logits = x.unflatten(1, {stems, setting_.channels});
    if (options_.mask == "none") return logits;
    return Mask(logits) * mix.unsqueeze(1);
  }

  LengthRule length_rule() const override {
    return {
        .dynamic = true, .offset_frames = 0, .multiple_frames = std::int64_t{1} << options_.depth};
  }
  bool has_checkpoints() const override { return true; }

  // Followed back from every frame of one period of the strides.
  std::int64_t receptive_field_frames() const override {
    const std::int64_t k = options_.kernel_size, p = WavePadding(k);
    const std::int64_t period = std::int64_t{1} << options_.depth;
    std::int64_t widest = 0;
    for (std::int64_t offset = 0; offset < period; ++offset) {
      // The steps [first, last] of each level that are needed; far from the start, so that division
      // rounds down.
      std::int64_t first = 1024 * k * period + offset, last = first;
      for (std::int64_t level = 0; level < options_.depth; ++level) {
        first = (first + p - k + 2) / 2;  // of 2 i - p + [0, k) that hit it
        last = (last + p) / 2;
      }
      for (std::int64_t level = 0; level < options_.depth; ++level) {
        first = 2 * first - p;
        last = 2 * last - p + k - 1;
      }
      widest = std::max(widest, last - first + 1);
    }
    return widest;
  }

 private:
  torch::Tensor Mask(const torch::Tensor& logits) const {
    if (options_.mask == "tanh") return torch::tanh(logits);
    return options_.mask == "sigmoid" ? torch::sigmoid(logits) : torch::softmax(logits, 1);
  }

  WaveUnetOptions options_;
  torch::nn::ModuleList encoder_, decoder_;
};

}  // namespace

std::shared_ptr<SeparationModel> MakeWaveUnet(const Config& config, const ModelSetting& setting) {
  const WaveUnetOptions defaults;
  WaveUnetOptions options;
  options.channels = config.IntegerIn("channels", defaults.channels, 1, 4096);
  options.growth = config.NumberIn("growth", defaults.growth, 0.1, 16);
  options.max_channels = config.IntegerIn("max_channels", defaults.max_channels, 1, 4096);
  options.depth = config.IntegerIn("depth", defaults.depth, 1, 16);
  options.kernel_size = config.IntegerIn("kernel_size", defaults.kernel_size, 2, 1024);
  options.dropout = config.NumberIn("dropout", defaults.dropout, 0, 0.99);
  options.dropout_levels = config.IntegerIn("dropout_levels", defaults.dropout_levels, 0, 16);
  options.mask = config.Choice("mask", defaults.mask, {"tanh", "sigmoid", "softmax", "none"});
  if (setting.stems.size() < 2 && options.mask == "softmax")
    throw Error::Usage("the mask 'softmax' needs at least two stems", config.Where("mask"),
                       "use mask: sigmoid");
  return std::make_shared<WaveUnet>(options, setting);
}

}  // namespace stemsmith
