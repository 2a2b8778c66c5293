// The waveform Demucs of the packages 3 and 4 (Défossez, "Hybrid Spectrogram and Waveform Source
// Separation", 2021), as Demucs of PyPI demucs 4.1.0, demucs/demucs.py; the published mdx holds two
// such models. The same options with the same defaults, the same initialisation, the same names in
// the state dict, the same numbers. Against the Demucs of 2021 (demucs_v2.cpp): residual branches,
// GELU, group normalisation in deep levels, padded convolutions in the decoder.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/layers/blstm.h"
#include "models/layers/checkpointed.h"
#include "models/layers/convolution.h"
#include "models/layers/dconv_places.h"
#include "models/layers/resample.h"
#include "models/layers/rescale.h"
#include "models/layers/strided_levels.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

namespace nn = torch::nn;

struct DemucsOptions {
  std::int64_t channels = 64;    // of the first level; the cost grows with its square
  double growth = 2;             // channels from level to level
  std::int64_t depth = 6;        // levels of encoder and decoder
  bool rewrite = true;           // a 1×1 convolution with gates behind each level
  std::int64_t lstm_layers = 0;  // in the innermost level
  std::int64_t kernel_size = 8;
  std::int64_t stride = 4;
  std::int64_t context = 1;      // neighbours on either side that the decoder's convolutions see
  bool gelu = true;              // else ReLU
  bool glu = true;               // gates, else ReLU
  std::int64_t norm_starts = 4;  // first level with normalisation
  std::int64_t norm_groups = 4;
  DConvPlaces dconv;      // residual branches
  bool normalize = true;  // takes the mean and deviation of the mono mix out and puts them back
  bool resample = true;   // works at twice the rate
  double rescale = 0.1;   // pulls the initial weights' deviation towards this; 0: off
};

class Demucs : public SeparationModel {
 public:
  Demucs(const DemucsOptions& options, ModelSetting setting)
      : SeparationModel(std::move(setting)), options_(options) {
    BuildLayers();
    if (options_.rescale > 0) RescaleConvolutions(*this, options_.rescale);
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    const std::int64_t c = setting_.channels, frames = mix.size(2);
    torch::Tensor x = mix, mean, deviation;
    if (options_.normalize) {
      const torch::Tensor mono = x.mean(1, /*keepdim=*/true);
      mean = mono.mean(-1, /*keepdim=*/true);
      deviation = mono.std(-1, /*unbiased=*/true, /*keepdim=*/true);
      x = (x - mean) / (1e-5 + deviation);
    }
    const std::int64_t surplus = PaddedLength(frames) - frames;
    x = torch::constant_pad_nd(x, {surplus / 2, surplus - surplus / 2});
    if (options_.resample) x = double_rate_(x.flatten(0, 1)).unflatten(0, {-1, c});

    std::vector<torch::Tensor> skips;
    for (const auto& level : *encoder_)
      skips.push_back(x = CheckpointedIf(checkpoints_, *level->as<nn::Sequential>(), x));
    if (lstm_) x = lstm_(x);
    for (const auto& level : *decoder_) {
      x = CheckpointedIf(checkpoints_, *level->as<nn::Sequential>(),
                         x + Trim(skips.back(), x.size(2)));
      skips.pop_back();
    }

    if (options_.resample) x = halve_rate_(x.flatten(0, 1)).unflatten(0, {-1, stems * c});
    if (options_.normalize) x = x * deviation + mean;
    return Trim(x, frames).unflatten(1, {stems, c});
  }

  // Those of which no convolution leaves steps over. At half the rate odd kernels and strides have
  // them at uneven distances: exports are then of one length.
  LengthRule length_rule() const override {
    const bool even = options_.kernel_size % 2 == 0 && options_.stride % 2 == 0;
    if (options_.resample && !even) return {.dynamic = false, .offset_frames = 2};
    const std::int64_t shortest = std::max<std::int64_t>(PaddedLength(1), 2);
    return {true, shortest, PaddedLength(shortest + 1) - shortest};
  }
  // Every length: what the levels need is padded inside, behind the normalisation, as the original
  // does. The deviation of one sample alone is undefined.
  LengthRule taken_lengths() const override { return {.dynamic = true, .offset_frames = 2}; }
  bool fills_with_context() const override { return length_rule().dynamic; }
  std::int64_t longest_uncut_frames() const override {
    const bool cuts = options_.dconv.AtLevel(options_.depth - 1).lstm;
    return cuts ? DConvImpl::kLstmSpan * length_rule().multiple_frames : 0;
  }
  bool has_checkpoints() const override { return true; }

 private:
  // The next length at which no convolution leaves steps over.
  std::int64_t PaddedLength(std::int64_t frames) const {
    std::int64_t length = options_.resample ? 2 * frames : frames;
    for (std::int64_t level = 0; level < options_.depth; ++level) {
      const std::int64_t beyond = std::max<std::int64_t>(length - options_.kernel_size, 0);
      length = (beyond + options_.stride - 1) / options_.stride + 1;
    }
    for (std::int64_t level = 0; level < options_.depth; ++level)
      length = (length - 1) * options_.stride + options_.kernel_size;
    return options_.resample ? (length + 1) / 2 : length;
  }

  // The middle `frames` of the last dimension; an odd rest goes on the right.
  static torch::Tensor Trim(const torch::Tensor& x, std::int64_t frames) {
    const std::int64_t left = (x.size(-1) - frames) / 2;
    return x.size(-1) == frames ? x : x.slice(-1, left, left + frames);
  }

  void BuildLayers() {
    const std::int64_t gates = options_.glu ? 2 : 1;
    std::vector<nn::Sequential> decoder;
    std::int64_t in = setting_.channels, width = options_.channels;
    for (std::int64_t level = 0; level < options_.depth; ++level) {
      const DConvOptions branch = options_.dconv.AtLevel(level);
      nn::Sequential down, up;
      down->push_back(
          Conv1d(nn::Conv1dOptions(in, width, options_.kernel_size).stride(options_.stride)));
      PushNorm(down, level, width);
      PushActivation(down);
      if (options_.dconv.InEncoder()) down->push_back(DConv(width, branch));
      if (options_.rewrite) {
        down->push_back(Conv1d(nn::Conv1dOptions(width, gates * width, 1)));
        PushNorm(down, level, gates * width);
        PushGates(down);
        up->push_back(Conv1d(nn::Conv1dOptions(width, gates * width, 2 * options_.context + 1)
                                 .padding(options_.context)));
        PushNorm(up, level, gates * width);
        PushGates(up);
      }
      if (options_.dconv.InDecoder()) up->push_back(DConv(width, branch));
      const std::int64_t out =
          level > 0 ? in : static_cast<std::int64_t>(setting_.stems.size()) * setting_.channels;
      up->push_back(ConvTranspose1d(
          nn::ConvTranspose1dOptions(width, out, options_.kernel_size).stride(options_.stride)));
      if (level > 0) {
        PushNorm(up, level, out);
        PushActivation(up);
      }
      encoder_->push_back(down);
      decoder.push_back(up);
      in = width;
      width = static_cast<std::int64_t>(options_.growth * static_cast<double>(width));
    }
    for (auto level = decoder.rbegin(); level != decoder.rend(); ++level)
      decoder_->push_back(*level);
    register_module("encoder", encoder_);
    register_module("decoder", decoder_);
    if (options_.lstm_layers > 0) lstm_ = register_module("lstm", Blstm(in, options_.lstm_layers));
    if (options_.resample) {
      double_rate_ = register_module("double_rate", DoubleRate());
      halve_rate_ = register_module("halve_rate", HalveRate());
    }
  }

  void PushNorm(nn::Sequential& level, std::int64_t index, std::int64_t width) const {
    if (index < options_.norm_starts) {
      level->push_back(nn::Identity());
    } else {
      level->push_back(nn::GroupNorm(nn::GroupNormOptions(options_.norm_groups, width)));
    }
  }
  void PushActivation(nn::Sequential& level) const {
    if (options_.gelu) {
      level->push_back(nn::GELU());
    } else {
      level->push_back(nn::ReLU());
    }
  }
  void PushGates(nn::Sequential& level) const {
    if (options_.glu) {
      level->push_back(nn::GLU(nn::GLUOptions(1)));
    } else {
      level->push_back(nn::ReLU());
    }
  }

  DemucsOptions options_;
  nn::ModuleList encoder_, decoder_;
  Blstm lstm_{nullptr};
  DoubleRate double_rate_{nullptr};
  HalveRate halve_rate_{nullptr};
};

// What would make the layers impossible.
void CheckDemucs(const DemucsOptions& o, const Config& config, const ModelSetting& setting) {
  const auto refuse = [&](const char* key, const std::string& what, const char* advice) {
    throw Error::Usage(what, config.Where(config.Has(key) ? key : ""), advice);
  };
  if (o.kernel_size < o.stride)
    refuse("kernel_size", "kernel_size is smaller than stride: frames would be skipped",
           "use a kernel_size of at least stride");
  CheckDeepestStep(config, "stride", o.stride, o.depth);
  double width = static_cast<double>(o.channels);
  std::int64_t out = setting.channels * static_cast<std::int64_t>(setting.stems.size());
  for (std::int64_t level = 0; level < o.depth; ++level) {
    if (width < 1 || width > 65536)
      refuse("growth", "growth leads to " + std::to_string(width) + " channels in a level",
             "use between 1 and 65536");
    const auto w = static_cast<std::int64_t>(width);
    o.dconv.Check(w, level, config);
    const bool divides = w % o.norm_groups == 0 && (level == 0 || out % o.norm_groups == 0);
    if (level >= o.norm_starts && !divides)
      refuse("norm_groups", "norm_groups does not divide a level's channels",
             "use channels that norm_groups divides");
    out = w;
    width = std::floor(o.growth * width);
  }
}

}  // namespace

std::shared_ptr<SeparationModel> MakeDemucs(const Config& config, const ModelSetting& setting) {
  DemucsOptions o;
  o.channels = config.IntegerIn("channels", o.channels, 1, 4096);
  o.growth = config.NumberIn("growth", o.growth, 0.1, 16);
  o.depth = config.IntegerIn("depth", o.depth, 1, 12);
  o.rewrite = config.Bool("rewrite", o.rewrite);
  o.lstm_layers = config.IntegerIn("lstm_layers", o.lstm_layers, 0, 16);
  o.kernel_size = config.IntegerIn("kernel_size", o.kernel_size, 1, 1024);
  o.stride = config.IntegerIn("stride", o.stride, 2, 1024);
  o.context = config.IntegerIn("context", o.context, 0, 512);
  o.gelu = config.Bool("gelu", o.gelu);
  o.glu = config.Bool("glu", o.glu);
  o.norm_starts = config.IntegerIn("norm_starts", o.norm_starts, 0, 1000000);
  o.norm_groups = config.IntegerIn("norm_groups", o.norm_groups, 1, 4096);
  o.dconv = DConvPlaces::Read(config, o.dconv);
  o.normalize = config.Bool("normalize", o.normalize);
  o.resample = config.Bool("resample", o.resample);
  o.rescale = config.NumberIn("rescale", o.rescale, 0, 100);
  // How long the original cuts songs; here the checkpoint says it.
  if (config.Has("segment")) config.Value("segment");
  CheckDemucs(o, config, setting);
  return std::make_shared<Demucs>(o, setting);
}

}  // namespace stemsmith
