// The waveform Demucs of 2021 (Défossez et al., "Music Source Separation in the Waveform Domain",
// as in PyPI demucs 2.0.3, demucs/model.py): the same options with the same defaults, the same
// initialisation, the same names in the state dict, the same numbers.
//
// Where it differs: the original takes lengths that its caller pads to `valid_length`; here the
// padding to that length and the trim afterwards are part of the model, so that mix and stems are
// equally long. With `rewrite: false`, where no layer looks at context, `context` does not lengthen
// the padding. Lengths that fit are 'offset + k · multiple' (ends of the decoder), so every padding
// and slice is a constant and a trace holds for all of them.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/layers/blstm.h"
#include "models/layers/checkpointed.h"
#include "models/layers/convolution.h"
#include "models/layers/resample.h"
#include "models/layers/rescale.h"
#include "models/layers/strided_levels.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

struct DemucsV2Options {
  std::int64_t channels = 64;  // of the first level; the cost grows with its square
  std::int64_t depth = 6;      // levels of encoder and decoder
  bool rewrite =
      true;         // a 1×1 convolution behind each encoder level, one with context in the decoder
  bool glu = true;  // gated linear units behind those, else ReLU
  double rescale = 0.1;  // pulls the initial weights' deviation towards this; 0: off
  bool resample = true;  // works at twice the rate
  std::int64_t kernel_size = 8;
  std::int64_t stride = 4;
  double growth = 2;             // channels from level to level
  std::int64_t lstm_layers = 2;  // 0: none
  std::int64_t context = 3;      // width of the decoder's convolutions
  bool normalize = false;  // takes the mean and deviation of the mono mix out and puts them back
};

// All lengths that follow from n, the number of time steps in the innermost level.
struct Lengths {
  std::int64_t input = 0;   // frames (before resampling) that the encoder takes
  std::int64_t output = 0;  // frames (after resampling back) that the decoder gives
  std::vector<std::int64_t>
      skip_trim;  // by decoder level: how much longer the skip is than the input
};

Lengths LengthsFor(const DemucsV2Options& options, std::int64_t innermost) {
  Lengths lengths;
  const std::int64_t context = options.rewrite ? options.context : 1;
  std::int64_t encoded = innermost, decoded = innermost;
  for (std::int64_t level = 0; level < options.depth; ++level) {
    lengths.skip_trim.push_back(encoded - decoded);
    encoded = (encoded - 1) * options.stride + options.kernel_size;
    decoded = (decoded - context) * options.stride + options.kernel_size;
  }
  lengths.input = options.resample ? (encoded + 1) / 2 : encoded;
  lengths.output = options.resample ? decoded / 2 : decoded;
  return lengths;
}

// Every decoder level must get at least `context` steps, and give at least one frame.
bool Possible(const DemucsV2Options& options, std::int64_t innermost) {
  const std::int64_t context = options.rewrite ? options.context : 1;
  std::int64_t decoded = innermost;
  for (std::int64_t level = 0; level < options.depth; ++level) {
    if (decoded < context) return false;
    decoded = (decoded - context) * options.stride + options.kernel_size;
  }
  return LengthsFor(options, innermost).output >= 1;
}

class DemucsV2 : public SeparationModel {
 public:
  DemucsV2(const DemucsV2Options& options, ModelSetting setting)
      : SeparationModel(std::move(setting)), options_(options) {
    BuildLayers();
    if (options_.rescale > 0) RescaleConvolutions(*this, options_.rescale);

    std::int64_t innermost = 1;
    while (!Possible(options_, innermost)) ++innermost;
    // At half the rate an odd stride gives every other length only whole frames.
    const std::int64_t step = options_.resample && options_.stride % 2 != 0 ? 2 : 1;
    const Lengths shortest = LengthsFor(options_, innermost);
    rule_ = {.dynamic = true,
             .offset_frames = shortest.output,
             .multiple_frames = LengthsFor(options_, innermost + step).output - shortest.output};
    surplus_ = shortest.input - shortest.output;
    skip_trim_ = shortest.skip_trim;
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    const std::int64_t c = setting_.channels;
    const std::int64_t left = surplus_ / 2;
    torch::Tensor x = torch::constant_pad_nd(mix, {left, surplus_ - left});
    torch::Tensor mean, deviation;
    if (options_.normalize) {
      const torch::Tensor mono = x.mean(1, /*keepdim=*/true);
      mean = mono.mean(-1, /*keepdim=*/true);
      deviation = mono.std(-1, /*unbiased=*/true, /*keepdim=*/true);
      x = (x - mean) / (deviation + 1e-5);
    } else {
      x = x / (1 + 1e-5);  // as the original: a deviation of 1
    }
    if (options_.resample) x = double_rate_(x.flatten(0, 1)).unflatten(0, {-1, c});

    std::vector<torch::Tensor> skips;
    for (const auto& level : *encoder_)
      skips.push_back(x = CheckpointedIf(checkpoints_, *level->as<torch::nn::Sequential>(), x));
    if (lstm_) x = lstm_(x);
    for (std::size_t i = 0; i < decoder_->size(); ++i) {
      x = x + Trim(skips[skips.size() - 1 - i], skip_trim_[i]);
      x = CheckpointedIf(checkpoints_, *decoder_->ptr(i)->as<torch::nn::Sequential>(), x);
    }

    if (options_.resample) x = halve_rate_(x.flatten(0, 1)).unflatten(0, {-1, stems * c});
    if (options_.normalize) x = x * deviation + mean;
    return x.unflatten(1, {stems, c});
  }

  LengthRule length_rule() const override { return rule_; }
  bool has_checkpoints() const override { return true; }

 private:
  void BuildLayers() {
    const auto c = static_cast<std::int64_t>(setting_.channels);
    const std::int64_t gates = options_.glu ? 2 : 1;
    auto activate = [&](torch::nn::Sequential& level) {
      if (options_.glu) {
        level->push_back(torch::nn::GLU(torch::nn::GLUOptions(1)));
      } else {
        level->push_back(torch::nn::ReLU());
      }
    };
    std::vector<torch::nn::Sequential> encoder, decoder;
    std::int64_t in = c, width = options_.channels;
    for (std::int64_t level = 0; level < options_.depth; ++level) {
      torch::nn::Sequential down, up;
      down->push_back(Conv1d(
          torch::nn::Conv1dOptions(in, width, options_.kernel_size).stride(options_.stride)));
      down->push_back(torch::nn::ReLU());
      if (options_.rewrite) {
        down->push_back(Conv1d(torch::nn::Conv1dOptions(width, gates * width, 1)));
        activate(down);
        up->push_back(Conv1d(torch::nn::Conv1dOptions(width, gates * width, options_.context)));
        activate(up);
      }
      const std::int64_t out =
          level > 0 ? in : static_cast<std::int64_t>(setting_.stems.size()) * c;
      up->push_back(
          ConvTranspose1d(torch::nn::ConvTranspose1dOptions(width, out, options_.kernel_size)
                              .stride(options_.stride)));
      if (level > 0) up->push_back(torch::nn::ReLU());
      encoder.push_back(down);
      decoder.push_back(up);
      in = width;
      width = static_cast<std::int64_t>(options_.growth * static_cast<double>(width));
    }
    encoder_ = register_module("encoder", torch::nn::ModuleList());
    decoder_ = register_module("decoder", torch::nn::ModuleList());
    for (const auto& level : encoder) encoder_->push_back(level);
    for (auto level = decoder.rbegin(); level != decoder.rend(); ++level)
      decoder_->push_back(*level);
    if (options_.lstm_layers > 0) lstm_ = register_module("lstm", Blstm(in, options_.lstm_layers));
    if (options_.resample) {
      double_rate_ = register_module("double_rate", DoubleRate());
      halve_rate_ = register_module("halve_rate", HalveRate());
    }
  }

  // Cuts `frames` off the ends of the last dimension, the odd one on the right.
  static torch::Tensor Trim(const torch::Tensor& x, std::int64_t frames) {
    if (frames == 0) return x;
    return x.slice(/*dim=*/-1, frames / 2, -(frames - frames / 2));
  }

  DemucsV2Options options_;
  LengthRule rule_;
  std::int64_t surplus_ = 0;  // frames that the encoder takes more than the decoder gives
  std::vector<std::int64_t> skip_trim_;  // see Lengths
  torch::nn::ModuleList encoder_{nullptr}, decoder_{nullptr};
  Blstm lstm_{nullptr};
  DoubleRate double_rate_{nullptr};
  HalveRate halve_rate_{nullptr};
};

}  // namespace

std::shared_ptr<SeparationModel> MakeDemucsV2(const Config& config, const ModelSetting& setting) {
  const DemucsV2Options defaults;
  DemucsV2Options options;
  options.channels = config.IntegerIn("channels", defaults.channels, 1, 4096);
  options.depth = config.IntegerIn("depth", defaults.depth, 1, 12);
  options.rewrite = config.Bool("rewrite", defaults.rewrite);
  options.glu = config.Bool("glu", defaults.glu);
  options.rescale = config.NumberIn("rescale", defaults.rescale, 0, 100);
  options.resample = config.Bool("resample", defaults.resample);
  options.kernel_size = config.IntegerIn("kernel_size", defaults.kernel_size, 1, 1024);
  options.stride = config.IntegerIn("stride", defaults.stride, 2, 1024);
  options.growth = config.NumberIn("growth", defaults.growth, 0.1, 16);
  options.lstm_layers = config.IntegerIn("lstm_layers", defaults.lstm_layers, 0, 16);
  options.context = config.IntegerIn("context", defaults.context, 1, 1023);
  options.normalize = config.Bool("normalize", defaults.normalize);
  if (options.kernel_size < options.stride)
    throw Error::Usage("kernel_size is smaller than stride: frames would be skipped",
                       config.Where(config.Has("kernel_size") ? "kernel_size" : "stride"),
                       "use a kernel_size of at least stride");
  const double widest = static_cast<double>(options.channels) *
                        std::pow(options.growth, static_cast<double>(options.depth - 1));
  if (widest < 1 || widest > 65536)
    throw Error::Usage("growth leads to " + std::to_string(widest) + " channels in the last level",
                       config.Where(config.Has("growth") ? "growth" : "channels"),
                       "use between 1 and 65536");
  CheckDeepestStep(config, "stride", options.stride, options.depth);
  return std::make_shared<DemucsV2>(options, setting);
}

}  // namespace stemsmith
