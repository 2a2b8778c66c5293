// MDX23C, the TFC-TDF network of its third version (Kim et al., "Sound Demixing Challenge 2023 Music
// Demixing Track Technical Report: TFC-TDF-UNet v3", arXiv:2306.09382), as TFC_TDF_net of
// Music-Source-Separation-Training (models/mdx23c_tfc_tdf_v3.py at ccc011a). A U-Net on the
// spectrum, whose bands stand beside each other as channels; its blocks are convolutions over time
// and frequency with fully connected layers over frequency between them. Same names in the state
// dict, the same numbers.
//
// Where it differs: any number of channels, not two alone. `norm: none` stands for the original's
// unknown names, which leave the normalisation out.
#include <cmath>

#include "core/error.h"
#include "core/numbers.h"
#include "models/layers/batch_norm.h"
#include "models/layers/checkpointed.h"
#include "models/layers/convolution.h"
#include "models/layers/linear.h"
#include "models/layers/stft.h"
#include "models/original_options.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

namespace nn = torch::nn;

enum class NormKind { kNone, kBatch, kInstance, kGroup };
enum class ActivationKind { kGelu, kRelu, kElu };

struct Mdx23cOptions {
  StftLayerOptions stft = {.n_fft = 8192, .edges = StftEdges::kReflected};
  std::int64_t bins = 4096;  // that the network sees; those above are zero
  NormKind norm = NormKind::kInstance;
  std::int64_t norm_groups = 0;
  ActivationKind activation = ActivationKind::kGelu;
  double elu_alpha = 1;
  std::int64_t bottleneck_factor = 4;  // the waist of the fully connected layers
  std::int64_t channels = 128;
  std::int64_t growth = 128;  // channels more from level to level
  std::int64_t blocks = 2;    // per level
  std::int64_t levels = 5;
  std::int64_t subbands = 4;
  std::vector<std::int64_t> scale = {2, 2};  // what a level divides time and frequency by

  // What all levels together divide time, or frequency, by.
  std::int64_t Division(std::size_t axis) const {
    std::int64_t product = 1;
    for (std::int64_t i = 0; i < levels && product <= bins * stft.n_fft; ++i)
      product *= scale[axis];
    return product;
  }
};

nn::AnyModule Norm(const Mdx23cOptions& o, std::int64_t channels) {
  switch (o.norm) {
    case NormKind::kNone:
      break;
    case NormKind::kBatch:
      return nn::AnyModule(BatchNorm2d(channels));
    case NormKind::kInstance:
      return nn::AnyModule(nn::InstanceNorm2d(nn::InstanceNorm2dOptions(channels).affine(true)));
    case NormKind::kGroup:
      return nn::AnyModule(nn::GroupNorm(nn::GroupNormOptions(o.norm_groups, channels)));
  }
  return nn::AnyModule(nn::Identity());
}

nn::AnyModule Activation(const Mdx23cOptions& o) {
  switch (o.activation) {
    case ActivationKind::kGelu:
      break;
    case ActivationKind::kRelu:
      return nn::AnyModule(nn::ReLU());
    case ActivationKind::kElu:
      return nn::AnyModule(nn::ELU(nn::ELUOptions().alpha(o.elu_alpha)));
  }
  return nn::AnyModule(nn::GELU());
}

// Normalised, activated, then through a layer; once or several times.
template <typename... Layers>
nn::Sequential Activated(const Mdx23cOptions& o, std::int64_t channels, const Layers&... layers) {
  nn::Sequential all;
  const auto add = [&](const auto& layer) {
    all->push_back(Norm(o, channels));
    all->push_back(Activation(o));
    all->push_back(layer);
  };
  (add(layers), ...);
  return all;
}

Conv2d Convolution(std::int64_t in, std::int64_t out, std::int64_t kernel) {
  return Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2).bias(false));
}

Linear Connected(std::int64_t in, std::int64_t out) {
  return Linear(nn::LinearOptions(in, out).bias(false));
}

// [B, in, N, F] → [B, out, N, F].
class TfcTdfBlockImpl : public nn::Module {
 public:
  TfcTdfBlockImpl(const Mdx23cOptions& o, std::int64_t in, std::int64_t out, std::int64_t bins) {
    const std::int64_t waist = bins / o.bottleneck_factor;
    tfc1_ = register_module("tfc1", Activated(o, in, Convolution(in, out, 3)));
    tdf_ = register_module("tdf",
                           Activated(o, out, Connected(bins, waist), Connected(waist, bins)));
    tfc2_ = register_module("tfc2", Activated(o, out, Convolution(out, out, 3)));
    shortcut_ = register_module("shortcut", Convolution(in, out, 1));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = tfc1_->forward(x);
    y = y + tdf_->forward(y);
    return tfc2_->forward(y) + shortcut_(x);
  }

 private:
  nn::Sequential tfc1_{nullptr}, tdf_{nullptr}, tfc2_{nullptr};
  Conv2d shortcut_{nullptr};
};
TORCH_MODULE(TfcTdfBlock);

// The blocks of one level.
class TfcTdfImpl : public nn::Module {
 public:
  TfcTdfImpl(const Mdx23cOptions& o, std::int64_t in, std::int64_t out, std::int64_t bins) {
    blocks_ = register_module("blocks", nn::ModuleList());
    for (std::int64_t i = 0; i < o.blocks; ++i)
      blocks_->push_back(TfcTdfBlock(o, i == 0 ? in : out, out, bins));
  }
  torch::Tensor forward(torch::Tensor x) {
    for (const auto& block : *blocks_) x = block->as<TfcTdfBlock>()->forward(x);
    return x;
  }

 private:
  nn::ModuleList blocks_{nullptr};
};
TORCH_MODULE(TfcTdf);

// [B, channels, N, F] → the skip of that size and [B, channels + growth, N / scale, F / scale].
class Mdx23cEncoderImpl : public nn::Module {
 public:
  Mdx23cEncoderImpl(const Mdx23cOptions& o, std::int64_t channels, std::int64_t bins) {
    tfc_tdf_ = register_module("tfc_tdf", TfcTdf(o, channels, channels, bins));
    const auto down = register_module("downscale", std::make_shared<nn::Module>());
    down_ = down->register_module(
        "conv", Activated(o, channels,
                          Conv2d(nn::Conv2dOptions(channels, channels + o.growth,
                                                   {o.scale[0], o.scale[1]})
                                     .stride({o.scale[0], o.scale[1]})
                                     .bias(false))));
  }
  std::vector<torch::Tensor> forward(const torch::Tensor& x) {
    const torch::Tensor skip = tfc_tdf_(x);
    return {skip, down_->forward(skip)};
  }

 private:
  TfcTdf tfc_tdf_{nullptr};
  nn::Sequential down_{nullptr};
};
TORCH_MODULE(Mdx23cEncoder);

// The way back to `channels` and `bins`, with the skip.
class Mdx23cDecoderImpl : public nn::Module {
 public:
  Mdx23cDecoderImpl(const Mdx23cOptions& o, std::int64_t channels, std::int64_t bins) {
    const auto up = register_module("upscale", std::make_shared<nn::Module>());
    up_ = up->register_module(
        "conv", Activated(o, channels + o.growth,
                          ConvTranspose2d(nn::ConvTranspose2dOptions(channels + o.growth, channels,
                                                                     {o.scale[0], o.scale[1]})
                                              .stride({o.scale[0], o.scale[1]})
                                              .bias(false))));
    tfc_tdf_ = register_module("tfc_tdf", TfcTdf(o, 2 * channels, channels, bins));
  }
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& skip) {
    return tfc_tdf_(torch::cat({up_->forward(x), skip}, 1));
  }

 private:
  nn::Sequential up_{nullptr};
  TfcTdf tfc_tdf_{nullptr};
};
TORCH_MODULE(Mdx23cDecoder);

class Mdx23c : public SeparationModel {
 public:
  Mdx23c(const Mdx23cOptions& o, ModelSetting setting)
      : SeparationModel(std::move(setting)), options_(o) {
    const std::int64_t parts = 2 * setting_.channels * o.subbands;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    stft_ = register_module("stft", StftLayer(o.stft));
    first_conv_ = register_module("first_conv", Convolution(parts, o.channels, 1));
    encoder_ = register_module("encoder_blocks", nn::ModuleList());
    std::int64_t channels = o.channels, bins = o.bins / o.subbands;
    for (std::int64_t i = 0; i < o.levels; ++i) {
      encoder_->push_back(Mdx23cEncoder(o, channels, bins));
      channels += o.growth;
      bins /= o.scale[1];
    }
    middle_ = register_module("bottleneck_block", TfcTdf(o, channels, channels, bins));
    decoder_ = register_module("decoder_blocks", nn::ModuleList());
    for (std::int64_t i = 0; i < o.levels; ++i) {
      channels -= o.growth;
      bins *= o.scale[1];
      decoder_->push_back(Mdx23cDecoder(o, channels, bins));
    }
    nn::Sequential last;
    last->push_back(Convolution(channels + parts, channels, 1));
    last->push_back(Activation(o));
    last->push_back(Convolution(channels, stems * parts, 1));
    final_conv_ = register_module("final_conv", last);
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const std::int64_t channels = setting_.channels;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    const torch::Tensor spectrum = torch::view_as_real(stft_->Transform(mix.flatten(0, 1)));
    const torch::Tensor bands = spectrum.unflatten(0, {-1, channels})  // [B, C, F, N, 2]
                                    .permute({0, 1, 4, 2, 3})
                                    .slice(3, 0, options_.bins)
                                    .unflatten(3, {options_.subbands, -1})
                                    .flatten(1, 3);  // [B, C · 2 · bands, F', N]
    const torch::Tensor seen = first_conv_(bands);
    const torch::Tensor x = Network(seen.transpose(2, 3)).transpose(2, 3) * seen;
    const torch::Tensor y = final_conv_->forward(torch::cat({bands, x}, 1))
                                .to(torch::kFloat32)
                                .unflatten(1, {stems, channels, 2, options_.subbands})
                                .flatten(4, 5);  // [B, S, C, 2, F, N]
    const std::int64_t above = options_.stft.n_fft / 2 + 1 - options_.bins;
    const torch::Tensor spectra = torch::view_as_complex(
        torch::constant_pad_nd(y, {0, 0, 0, above}).permute({0, 1, 2, 4, 5, 3}).contiguous());
    return stft_->InvertToLengthOf(spectra.flatten(0, 2), mix).unflatten(0, {-1, stems, channels});
  }

  // A number of STFT frames that all levels divide, and audio to reflect.
  LengthRule length_rule() const override {
    const std::int64_t hop = options_.stft.hop, frames = options_.Division(0);
    const std::int64_t needed = options_.stft.n_fft / 2 + 1;
    LengthRule rule{
        .dynamic = true, .offset_frames = hop * (frames - 1), .multiple_frames = hop * frames};
    rule.offset_frames = rule.AtLeast(needed);
    return rule;
  }

  nlohmann::json stft() const override { return stft_->Description(); }
  bool has_checkpoints() const override { return true; }

 private:
  torch::Tensor Network(torch::Tensor x) {
    using Tensors = std::vector<torch::Tensor>;
    Tensors skips;
    for (const auto& module : *encoder_) {
      auto& level = *module->as<Mdx23cEncoderImpl>();
      const Tensors both = CheckpointedIf(
          checkpoints_, level, {x}, [&level](const Tensors& in) { return level.forward(in[0]); });
      skips.push_back(both[0]);
      x = both[1];
    }
    x = CheckpointedIf(checkpoints_, *middle_, x);
    for (const auto& module : *decoder_) {
      auto& level = *module->as<Mdx23cDecoderImpl>();
      x = CheckpointedIf(checkpoints_, level, {x, skips.back()}, [&level](const Tensors& in) {
        return Tensors{level.forward(in[0], in[1])};
      })[0];
      skips.pop_back();
    }
    return x;
  }

  Mdx23cOptions options_;
  StftLayer stft_{nullptr};
  Conv2d first_conv_{nullptr};
  nn::ModuleList encoder_{nullptr}, decoder_{nullptr};
  TfcTdf middle_{nullptr};
  nn::Sequential final_conv_{nullptr};
};

void ReadNorm(const Config& config, Mdx23cOptions& o) {
  const std::string name = config.String("norm", "InstanceNorm");
  constexpr std::string_view kGroups = "GroupNorm";
  if (name == "none") {
    o.norm = NormKind::kNone;
  } else if (name == "BatchNorm") {
    o.norm = NormKind::kBatch;
  } else if (name == "InstanceNorm") {
    o.norm = NormKind::kInstance;
  } else {
    const auto groups = name.starts_with(kGroups) ? ParseNumber(name.substr(kGroups.size()))
                                                  : std::nullopt;
    if (!groups || *groups < 1 || *groups > 4096 || *groups != std::floor(*groups))
      throw Error::Usage("norm is none that is known: '" + name + "'", config.Where("norm"),
                         "use BatchNorm, InstanceNorm, GroupNorm8 (or another number) or none");
    o.norm = NormKind::kGroup;
    o.norm_groups = static_cast<std::int64_t>(*groups);
  }
}

void ReadActivation(const Config& config, Mdx23cOptions& o) {
  const std::string name = config.String("act", "gelu");
  if (name == "gelu" || name == "relu") {
    o.activation = name == "gelu" ? ActivationKind::kGelu : ActivationKind::kRelu;
    return;
  }
  const auto alpha = name.starts_with("elu") ? ParseNumber(name.substr(3)) : std::nullopt;
  if (!alpha || !std::isfinite(*alpha))
    throw Error::Usage("act is none that is known: '" + name + "'", config.Where("act"),
                       "use gelu, relu or elu with its alpha, such as elu1.0");
  o.activation = ActivationKind::kElu;
  o.elu_alpha = *alpha;
}

void CheckMdx23c(const Mdx23cOptions& o, const Config& config) {
  const auto refuse = [&](const char* key, const char* what, const char* advice) {
    throw Error::Usage(what, config.Where(config.Has(key) ? key : ""), advice);
  };
  if (o.stft.n_fft % 2 != 0 || o.stft.hop * 2 > o.stft.n_fft)
    refuse("hop_length", "n_fft is odd, or shorter than two hops",
           "for example n_fft: 8192 with hop_length: 1024");
  if (o.bins > o.stft.n_fft / 2 + 1)
    refuse("dim_f", "dim_f is beyond the last bin", "n_fft / 2 + 1 bins are all there are");
  if (o.scale.size() != 2)
    refuse("scale", "scale is not a list of two", "give what a level divides time and frequency by");
  if (o.bins % (o.subbands * o.Division(1)) != 0)
    refuse("dim_f", "dim_f cannot be divided by num_subbands and by the scale in every level",
           "for example dim_f: 4096 with num_subbands: 4 and num_scales: 5");
  if (o.bins / o.subbands / o.Division(1) < o.bottleneck_factor)
    refuse("bottleneck_factor", "bottleneck_factor leaves nothing of the innermost level's bins",
           "use a smaller one, or fewer scales");
  constexpr std::int64_t kMostFrames = 1 << 16;
  if (o.Division(0) > kMostFrames)
    refuse("scale", "the levels divide time by more than 65536", "use fewer scales");
  for (std::int64_t level = 0; o.norm == NormKind::kGroup && level <= o.levels; ++level) {
    if ((o.channels + level * o.growth) % o.norm_groups != 0)
      refuse("norm", "the groups of norm do not divide a level's channels",
             "use num_channels and growth that they divide");
  }
}

}  // namespace

std::shared_ptr<SeparationModel> MakeMdx23c(const Config& config, const ModelSetting&  setting) {
  Mdx23cOptions o;
  o.stft.n_fft = config.IntegerIn("n_fft", o.stft.n_fft, 16, 65536);
  o.stft.hop = config.IntegerIn("hop_length", o.stft.hop, 1, 32768);
  o.bins = config.IntegerIn("dim_f", o.bins, 1, 32769);
  ReadNorm(config, o);
  ReadActivation(config, o);
  o.bottleneck_factor = config.IntegerIn("bottleneck_factor", o.bottleneck_factor, 1, 65536);
  o.channels = config.IntegerIn("num_channels", o.channels, 1, 4096);
  o.growth = config.IntegerIn("growth", o.growth, 0, 4096);
  o.blocks = config.IntegerIn("num_blocks_per_scale", o.blocks, 1, 100);
  o.levels = config.IntegerIn("num_scales", o.levels, 0, 12);
  o.subbands = config.IntegerIn("num_subbands", o.subbands, 1, 1024);
  o.scale = IntegersIn(config, "scale", o.scale, 1, 64);
  CheckMdx23c(o, config);
  return std::make_shared<Mdx23c>(o, setting);
}

}  // namespace stemsmith
