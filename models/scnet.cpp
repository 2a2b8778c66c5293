// SCNet (Tong et al., "SCNet: Sparse Compression Network for Music Source Separation", 2024,
// arXiv:2401.13276), as SCNet of Music-Source-Separation-Training (models/scnet/scnet.py at
// ccc011a), and the variant that masks the mixture (scnet_masked.py). Three bands of the spectrum
// are compressed each by a stride of its own, low ones least; LSTMs along frequency and time work
// on the compressed spectrum and, in turn, on its Fourier transform over time. Same names in the
// state dict, the same numbers at any length.
//
// Where it differs: mixtures shorter than n_fft / 2 are padded with zeros on both sides before the
// original's padding, where the original refuses. A convolution of channels that stand beside their
// own copies is computed as one of half the size with the sum of both halves' weights.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/layers/blstm.h"
#include "models/layers/checkpointed.h"
#include "models/layers/convolution.h"
#include "models/layers/linear.h"
#include "models/layers/stft.h"
#include "models/original_options.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

namespace nn = torch::nn;

constexpr std::size_t kBands = 3;

struct ScnetOptions {
  bool masked = false;  // complex masks on the mixture's spectrum instead of spectra
  StftLayerOptions stft = {
      .edges = StftEdges::kReflected, .normalized = true, .window_frames = 4096};
  std::vector<std::int64_t> dims = {4, 32, 64, 128};  // channels from level to level
  std::vector<double> band_share = {0.175, 0.392, 0.433};
  std::vector<std::int64_t> band_stride = {1, 4, 16}, band_kernel = {3, 4, 16};
  std::vector<std::int64_t> conv_depths = {3, 2, 1};  // residual branches per band
  double compress = 4;                                // their waist is that much narrower
  std::int64_t conv_kernel = 3;
  std::int64_t dual_paths = 6;
  std::int64_t expand = 1;  // states of the LSTMs per channel
};

// A band of a level: which bins, padded by how much, and how many the level makes of them.
struct Band {
  std::int64_t begin, end, pad_before, pad_after, stride, kernel, encoded;

  std::int64_t bins() const { return end - begin; }
  // What the transposed convolution gives, and how much of it lies before the band.
  std::int64_t decoded() const { return (encoded - 1) * stride + kernel; }
  std::int64_t trim() const { return std::abs(bins() - decoded()) / 2; }
};

std::vector<Band> SplitBands(const ScnetOptions& options, std::int64_t bins) {
  const auto edge = [&](double share) {
    const auto at = static_cast<std::int64_t>(std::ceil(static_cast<double>(bins) * share));
    return std::min(at, bins);
  };
  const std::int64_t edges[] = {0, edge(options.band_share[0]),
                                edge(options.band_share[0] + options.band_share[1]), bins};
  std::vector<Band> bands;
  for (std::size_t i = 0; i < kBands; ++i) {
    const std::int64_t stride = options.band_stride[i], kernel = options.band_kernel[i];
    Band band{edges[i], edges[i + 1], 0, 0, stride, kernel, 0};
    const std::int64_t padding =
        stride == 1 ? kernel - 1 : (stride - band.bins() % stride) % stride;
    band.pad_before = padding / 2;
    band.pad_after = padding - band.pad_before;
    const std::int64_t room = band.bins() + padding - kernel;
    band.encoded = band.bins() < 1 || room < 0 ? 0 : room / stride + 1;
    bands.push_back(band);
  }
  return bands;
}

std::int64_t EncodedBins(const std::vector<Band>& bands) {
  std::int64_t bins = 0;
  for (const Band& band : bands) bins += band.encoded;
  return bins;
}

// The bands of every level, outermost first.
std::vector<std::vector<Band>> Levels(const ScnetOptions& options) {
  std::vector<std::vector<Band>> levels;
  std::int64_t bins = options.stft.n_fft / 2 + 1;
  for (std::size_t level = 0; level + 1 < options.dims.size(); ++level) {
    levels.push_back(SplitBands(options, bins));
    bins = EncodedBins(levels.back());
  }
  return levels;
}

// A residual branch along time, [R, channels, N] → the same.
nn::Sequential Branch(const ScnetOptions& options, std::int64_t channels) {
  const auto hidden =
      static_cast<std::int64_t>(static_cast<double>(channels) / options.compress);
  const std::int64_t kernel = options.conv_kernel;
  const auto norm = [](std::int64_t width) {
    return nn::GroupNorm(nn::GroupNormOptions(1, width));
  };
  const auto conv = [&](std::int64_t in, std::int64_t out, std::int64_t width) {
    return nn::Conv1dOptions(in, out, width).padding(width / 2);
  };
  return nn::Sequential(norm(channels), Conv1d(conv(channels, 2 * hidden, kernel)),
                        nn::GLU(nn::GLUOptions(1)),
                        Conv1d(conv(hidden, hidden, kernel).groups(hidden)), norm(hidden),
                        nn::SiLU(), Conv1d(conv(hidden, channels, 1)));
}

// Modules that only name what is within.
nn::ModuleList ListBelow(nn::Module& parent, const char* holder, const char* name) {
  const auto between = parent.register_module(holder, std::make_shared<nn::Module>());
  return between->register_module(name, nn::ModuleList());
}

// [B, in, F, N] → [B, out, F', N], where every band is as much smaller as its stride says.
class ScnetEncoderImpl : public nn::Module {
 public:
  ScnetEncoderImpl(const ScnetOptions& options, std::int64_t in, std::int64_t out,
                   std::vector<Band> bands)
      : bands_(std::move(bands)) {
    convs_ = ListBelow(*this, "SDlayer", "convs");
    branches_ = register_module("conv_modules", nn::ModuleList());
    for (std::size_t i = 0; i < kBands; ++i) {
      const Band& band = bands_[i];
      convs_->push_back(
          Conv2d(nn::Conv2dOptions(in, out, {band.kernel, 1}).stride({band.stride, 1})));
      const auto holder = std::make_shared<nn::Module>();
      branches_->push_back(holder);
      nn::ModuleList layers;
      for (std::int64_t d = 0; d < options.conv_depths[i]; ++d)
        layers->push_back(Branch(options, out));
      of_band_.push_back(holder->register_module("layers", layers));
    }
    globalconv_ =
        register_module("globalconv", Conv2d(nn::Conv2dOptions(out, out, 3).padding(1)));
  }

  // What the next level gets, and the decoder of this one.
  std::pair<torch::Tensor, torch::Tensor> forward(const torch::Tensor& x) {
    std::vector<torch::Tensor> parts;
    for (std::size_t i = 0; i < kBands; ++i) {
      const Band& band = bands_[i];
      torch::Tensor y = x.slice(2, band.begin, band.end);
      if (band.pad_before + band.pad_after > 0)
        y = torch::constant_pad_nd(y, {0, 0, band.pad_before, band.pad_after});
      y = convs_[i]->as<Conv2d>()->forward(y).transpose(1, 2).flatten(0, 1);  // [B · F, out, N]
      for (const auto& layer : *of_band_[i]) y = y + layer->as<nn::Sequential>()->forward(y);
      parts.push_back(torch::gelu(y.unflatten(0, {-1, band.encoded}).transpose(1, 2)));
    }
    const torch::Tensor all = torch::cat(parts, 2);
    return {globalconv_(all), all};
  }

 private:
  std::vector<Band> bands_;
  nn::ModuleList convs_{nullptr}, branches_{nullptr};
  std::vector<nn::ModuleList> of_band_;  // the layers of each of `branches_`
  Conv2d globalconv_{nullptr};
};
TORCH_MODULE(ScnetEncoder);

// [B, in, F', N] and the skip → [B, out, F, N].
class ScnetDecoderImpl : public nn::Module {
 public:
  ScnetDecoderImpl(std::int64_t in, std::int64_t out, std::vector<Band> bands)
      : bands_(std::move(bands)) {
    const auto fusion = register_module("0", std::make_shared<nn::Module>());
    fusion_ = fusion->register_module(
        "conv", Conv2d(nn::Conv2dOptions(2 * in, 2 * in, 3).padding(1)));
    convtrs_ = ListBelow(*this, "1", "convtrs");
    for (const Band& band : bands_)
      convtrs_->push_back(ConvTranspose2d(
          nn::ConvTranspose2dOptions(in, out, {band.kernel, 1}).stride({band.stride, 1})));
  }

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& skip) {
    // The original puts x beside itself.
    const torch::Tensor weight = fusion_->weight.slice(1, 0, x.size(1)) +
                                 fusion_->weight.slice(1, x.size(1));
    const torch::Tensor fused =
        torch::glu(Convolve(x + skip, weight, fusion_->bias, {{1, 1}, {1, 1}, {1, 1}, {0, 0}}), 1);
    std::vector<torch::Tensor> parts;
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < kBands; ++i) {
      const Band& band = bands_[i];
      const torch::Tensor y = convtrs_[i]->as<ConvTranspose2d>()->forward(
          fused.slice(2, begin, begin + band.encoded));
      parts.push_back(y.slice(2, band.trim(), band.trim() + band.bins()));
      begin += band.encoded;
    }
    return torch::cat(parts, 2);
  }

 private:
  std::vector<Band> bands_;
  Conv2d fusion_{nullptr};
  nn::ModuleList convtrs_{nullptr};
};
TORCH_MODULE(ScnetDecoder);

// A bidirectional LSTM along frequency, then one along time: [B, channels, F, N] → the same.
class DualPathImpl : public nn::Module {
 public:
  DualPathImpl(std::int64_t channels, std::int64_t hidden) {
    lstms_ = register_module("lstm_layers", nn::ModuleList());
    linears_ = register_module("linear_layers", nn::ModuleList());
    norms_ = register_module("norm_layers", nn::ModuleList());
    for (int i = 0; i < 2; ++i) {
      lstms_->push_back(nn::LSTM(nn::LSTMOptions(channels, hidden).bidirectional(true)));
      linears_->push_back(Linear(2 * hidden, channels));
      norms_->push_back(nn::GroupNorm(nn::GroupNormOptions(1, channels)));
    }
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor y = x + Along(x, 0, {2, 0, 3, 1}, {1, 3, 0, 2});
    return y + Along(y, 1, {3, 0, 2, 1}, {1, 3, 2, 0});
  }

 private:
  // `order` brings the steps to the front and the channels to the end, `back` undoes it.
  torch::Tensor Along(const torch::Tensor& x, std::size_t path, torch::IntArrayRef order,
                      torch::IntArrayRef back) {
    const torch::Tensor ordered = norms_[path]->as<nn::GroupNorm>()->forward(x).permute(order);
    nn::LSTM lstm(std::dynamic_pointer_cast<nn::LSTMImpl>(lstms_->ptr(path)));
    const torch::Tensor y =
        linears_[path]->as<Linear>()->forward(RunLstm(lstm, ordered.flatten(1, 2)));
    return y.unflatten(1, {-1, ordered.size(2)}).permute(back);
  }

  nn::ModuleList lstms_{nullptr}, linears_{nullptr}, norms_{nullptr};
};
TORCH_MODULE(DualPath);

// The real Fourier transform over time, [B, C, F, N] → [B, 2C, F, N / 2 + 1], and back; N is even.
torch::Tensor ToFrequencies(const torch::Tensor& x) {
  const torch::Tensor y = torch::fft::rfft(x.to(torch::kFloat32), std::nullopt, 3, "ortho");
  return torch::cat({torch::real(y), torch::imag(y)}, 1);
}
torch::Tensor FromFrequencies(const torch::Tensor& x) {
  const auto parts = x.to(torch::kFloat32).chunk(2, 1);
  return torch::fft::irfft(torch::complex(parts[0], parts[1]), std::nullopt, 3, "ortho");
}

class Scnet : public SeparationModel {
 public:
  Scnet(const ScnetOptions& options, ModelSetting setting)
      : SeparationModel(std::move(setting)), options_(options) {
    const std::int64_t channels = setting_.channels;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    stft_ = register_module("stft", StftLayer(options.stft));
    encoder_ = register_module("encoder", nn::ModuleList());
    const std::vector<std::vector<Band>> levels = Levels(options);
    for (std::size_t i = 0; i < levels.size(); ++i)
      encoder_->push_back(
          ScnetEncoder(options, options.dims[i], options.dims[i + 1], levels[i]));
    decoder_ = register_module("decoder", nn::ModuleList());
    for (std::size_t i = levels.size(); i-- > 0;)
      decoder_->push_back(ScnetDecoder(options.dims[i + 1],
                                       options.dims[i] * (i == 0 ? stems : 1), levels[i]));
    const auto middle = register_module("separation_net", std::make_shared<nn::Module>());
    dual_paths_ = middle->register_module("dp_modules", nn::ModuleList());
    for (std::int64_t i = 0; i < options.dual_paths; ++i) {
      const std::int64_t width = options.dims.back() * (1 + i % 2);
      dual_paths_->push_back(DualPath(width, width * options.expand));
    }
    if (!options.masked) return;
    constexpr std::int64_t kMaskWidth = 64;
    const std::int64_t outputs = 2 * channels * stems;
    positions_ = register_parameter(
        "pos_embed_f",
        0.02 * torch::randn({1, 2 * channels, options.stft.n_fft / 2 + 1, 1}));
    mask_ = register_module(
        "mask_layer",
        nn::Sequential(Conv2d(nn::Conv2dOptions(outputs, kMaskWidth, 3).padding(1)), nn::GELU(),
                       Conv2d(nn::Conv2dOptions(kMaskWidth, outputs, 1)), nn::Tanh()));
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const std::int64_t channels = setting_.channels;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    const torch::Tensor padded = torch::constant_pad_nd(mix, {0, Padding(mix.size(2))});
    const torch::Tensor spectrum =
        stft_->Transform(padded.flatten(0, 1)).unflatten(0, {-1, channels});  // [B, C, F, N]
    torch::Tensor x =
        torch::view_as_real(spectrum).permute({0, 1, 4, 2, 3}).flatten(1, 2);  // [B, 2C, F, N]
    if (options_.masked) x = x + positions_;
    x = Network(x);
    if (options_.masked) x = mask_->forward(x);
    x = x.to(torch::kFloat32).unflatten(1, {stems, channels, 2}).permute({0, 1, 2, 4, 5, 3});
    torch::Tensor spectra = torch::view_as_complex(x.contiguous());  // [B, S, C, F, N]
    if (options_.masked) spectra = spectrum.unsqueeze(1) * spectra;
    return stft_->InvertToLengthOf(spectra.flatten(0, 2), mix).unflatten(0, {-1, stems, channels});
  }

  // Any length from the STFT's reflection on: what makes the number of frames even is added within.
  LengthRule length_rule() const override {
    return {.dynamic = false, .offset_frames = options_.stft.n_fft / 2, .multiple_frames = 1};
  }

  nlohmann::json stft() const override { return stft_->Description(); }
  bool has_checkpoints() const override { return true; }

 private:
  // At least a sample behind the end, so that hops are whole and odd in number.
  std::int64_t Padding(std::int64_t frames) const {
    const std::int64_t hop = options_.stft.hop;
    return ((frames + hop) / (2 * hop) * 2 + 1) * hop - frames;
  }

  torch::Tensor Network(const torch::Tensor& spectrum) {
    using Tensors = std::vector<torch::Tensor>;
    torch::Tensor x = spectrum;
    Tensors skips;
    for (const auto& module : *encoder_) {
      auto& level = *module->as<ScnetEncoderImpl>();
      const Tensors both = CheckpointedIf(checkpoints_, level, {x}, [&level](const Tensors& in) {
        const auto [next, skip] = level.forward(in[0]);
        return Tensors{next, skip};
      });
      x = both[0];
      skips.push_back(both[1]);
    }
    for (std::size_t i = 0; i < dual_paths_->size(); ++i) {
      x = CheckpointedIf(checkpoints_, *dual_paths_[i]->as<DualPathImpl>(), x);
      x = i % 2 == 0 ? ToFrequencies(x) : FromFrequencies(x);
    }
    for (const auto& module : *decoder_) {
      auto& level = *module->as<ScnetDecoderImpl>();
      x = CheckpointedIf(checkpoints_, level, {x, skips.back()}, [&level](const Tensors& in) {
        return Tensors{level.forward(in[0], in[1])};
      })[0];
      skips.pop_back();
    }
    return x;
  }

  ScnetOptions options_;
  StftLayer stft_{nullptr};
  nn::ModuleList encoder_{nullptr}, decoder_{nullptr}, dual_paths_{nullptr};
  torch::Tensor positions_;  // undefined where not masked
  nn::Sequential mask_{nullptr};
};

[[noreturn]] void Refuse(const Config& config, const char* key, const std::string& what,
                         const std::string& advice) {
  throw Error::Usage(what, config.Where(config.Has(key) ? key : ""), advice);
}

void CheckScnet(const ScnetOptions& o, const Config& config, const ModelSetting& setting) {
  if (o.stft.n_fft % 2 != 0 || o.stft.hop * 2 > o.stft.n_fft)
    Refuse(config, config.Has("hop_size") ? "hop_size" : "nfft",
           "nfft is odd, or shorter than two hops", "for example nfft: 4096 with hop_size: 1024");
  if (o.stft.window_frames > o.stft.n_fft || (o.masked && o.stft.window_frames != o.stft.n_fft))
    Refuse(config, "win_size",
           o.masked ? "win_size is not nfft" : "win_size is longer than nfft",
           "set win_size to nfft");
  for (const auto& [key, size] : {std::pair("band_SR", o.band_share.size()),
                                  std::pair("band_stride", o.band_stride.size()),
                                  std::pair("band_kernel", o.band_kernel.size()),
                                  std::pair("conv_depths", o.conv_depths.size())}) {
    if (size != kBands) Refuse(config, key, std::string(key) + " is not a list of three", 
                               "give a number for the low, the middle and the high band");
  }
  if (o.dims.size() < 2)
    Refuse(config, "dims", "dims has no level", "for example dims: [4, 32, 64, 128]");
  if (o.conv_kernel % 2 == 0) Refuse(config, "conv_kernel", "conv_kernel is even", "use 3");
  if (o.dual_paths % 2 != 0)
    Refuse(config, "num_dplayer", "num_dplayer is odd",
           "use an even one: every second layer works on a transform over time");
  for (std::size_t i = 1; i < o.dims.size(); ++i) {
    if (static_cast<double>(o.dims[i]) < o.compress)
      Refuse(config, "compress", "compress leaves nothing of a level's channels",
             "use a smaller one, or larger dims");
  }
  for (const std::vector<Band>& bands : Levels(o)) {
    for (const Band& band : bands) {
      if (band.encoded < 1 || band.decoded() < band.bins())
        Refuse(config, "band_SR", "a level leaves nothing of a band, or cannot bring it back",
               "use shares between 0 and 1 that sum to 1, kernels as wide as their strides, fewer "
               "levels or a larger nfft");
    }
  }
  if (o.dims[0] != 2 * setting.channels)
    Refuse(config, "dims", "the first of dims is not twice the number of channels",
           "begin dims with " + std::to_string(2 * setting.channels));
}

std::shared_ptr<SeparationModel> Make(const Config& config, const ModelSetting& setting,
                                      bool masked) {
  ScnetOptions o;
  o.masked = masked;
  if (!masked) o.stft.window = StftLayerWindow::kRectangle;
  o.dims = IntegersIn(config, "dims", o.dims, 1, 4096);
  o.stft.n_fft = config.IntegerIn("nfft", o.stft.n_fft, 16, 65536);
  o.stft.hop = config.IntegerIn("hop_size", o.stft.hop, 1, 32768);
  o.stft.window_frames = config.IntegerIn("win_size", o.stft.window_frames, 16, 65536);
  o.stft.normalized = config.Bool("normalized", o.stft.normalized);
  o.band_share = config.Numbers("band_SR", o.band_share);
  o.band_stride = IntegersIn(config, "band_stride", o.band_stride, 1, 1024);
  o.band_kernel = IntegersIn(config, "band_kernel", o.band_kernel, 1, 1024);
  o.conv_depths = IntegersIn(config, "conv_depths", o.conv_depths, 0, 100);
  o.compress = config.NumberIn("compress", o.compress, 1e-3, 4096);
  o.conv_kernel = config.IntegerIn("conv_kernel", o.conv_kernel, 1, 999);
  o.dual_paths = config.IntegerIn("num_dplayer", o.dual_paths, 0, 100);
  o.expand = config.IntegerIn("expand", o.expand, 1, 64);
  RequireOption(config, "audio_channels", std::to_string(setting.channels));
  IgnoreOption(config, "sources");
  // The spectrum's two parts for every channel, of which published configurations write two.
  if (o.dims.size() > 1 && o.dims[0] == 4) o.dims[0] = 2 * setting.channels;
  CheckScnet(o, config, setting);
  return std::make_shared<Scnet>(o, setting);
}

}  // namespace

std::shared_ptr<SeparationModel> MakeScnet(const Config& config, const ModelSetting& setting) {
  return Make(config, setting, /*masked=*/false);
}
std::shared_ptr<SeparationModel> MakeScnetMasked(const Config& config,
                                                 const ModelSetting& setting) {
  return Make(config, setting, /*masked=*/true);
}

}  // namespace stemsmith
