// Open-Unmix (Stöter et al., "Open-Unmix – A Reference Implementation for Music Source Separation",
// 2019; openunmix/model.py of PyPI openunmix 1.3.0): for every stem a network of its own looks at
// the mixture's magnitudes frame by frame through a three-layer LSTM and gives a mask that is not
// bounded above. Same names in the state dict as the original's Separator
// ("target_models.vocals.fc1.weight"), the same numbers, and its Wiener filter on request.
//
// Where it differs: all stems sit in one model and are trained together, on any loss over waves;
// the original trains one target at a time on magnitudes. Mixtures shorter than the STFT's
// reflection (n_fft / 2 + 1 frames) are padded with zeros, where the original refuses. A bin in
// which the mixture is exactly zero is zero in every stem, the residual included. State dicts leave
// out the windows and the sample rate that the original's Separator stores besides the weights. The
// input statistics of a training are those of excerpts of the songs, where the original's
// scripts/train.py takes all of every song.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/layers/batch_norm.h"
#include "models/layers/blstm.h"
#include "models/layers/linear.h"
#include "models/layers/stft.h"
#include "models/layers/wiener.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

struct OpenUnmixOptions {
  StftLayerOptions stft = {.edges = StftEdges::kReflected};
  double bandwidth_hz = 16000;     // what the networks see; they write all bins
  std::int64_t max_bin = 0;        // the same as a number of bins; 0: from bandwidth_hz
  std::int64_t hidden_size = 512;  // 1024 in umxl
  std::int64_t nb_layers = 3;
  bool unidirectional = false;        // looks at the past alone
  bool residual = false;              // the last stem has no network: it is what the others leave
  bool softmask = false;              // estimates share the mixture by their ratio
  std::int64_t niter = 0;             // steps of the Wiener filter
  std::int64_t wiener_win_len = 300;  // its excerpts in STFT frames; 0: the whole
};

// The network of one stem: magnitudes [N, B, C, F] → masks of the same shape.
class UnmixNetworkImpl : public torch::nn::Module {
 public:
  UnmixNetworkImpl(const OpenUnmixOptions& options, std::int64_t channels, std::int64_t bins,
                   std::int64_t seen_bins)
      : channels_(channels),
        bins_(bins),
        seen_bins_(seen_bins) {
    namespace nn = torch::nn;
    const auto linear = [](std::int64_t in, std::int64_t out) {
      return Linear(nn::LinearOptions(in, out).bias(false));
    };
    const std::int64_t hidden = options.hidden_size;
    input_mean_ = register_parameter("input_mean", torch::zeros({seen_bins}));
    input_scale_ = register_parameter("input_scale", torch::ones({seen_bins}));
    output_scale_ = register_parameter("output_scale", torch::ones({bins}));
    output_mean_ = register_parameter("output_mean", torch::ones({bins}));
    fc1_ = register_module("fc1", linear(seen_bins * channels, hidden));
    bn1_ = register_module("bn1", BatchNorm1d(hidden));
    const std::int64_t width = options.unidirectional ? hidden : hidden / 2;
    lstm_ = register_module("lstm", nn::LSTM(nn::LSTMOptions(hidden, width)
                                                 .num_layers(options.nb_layers)
                                                 .bidirectional(!options.unidirectional)
                                                 .dropout(options.nb_layers > 1 ? 0.4 : 0.0)));
    fc2_ = register_module("fc2", linear(2 * hidden, hidden));
    bn2_ = register_module("bn2", BatchNorm1d(hidden));
    fc3_ = register_module("fc3", linear(hidden, bins * channels));
    bn3_ = register_module("bn3", BatchNorm1d(bins * channels));
  }

  torch::Tensor forward(const torch::Tensor& magnitudes) {
    torch::Tensor x = (magnitudes.slice(3, 0, seen_bins_) + input_mean_) * input_scale_;
    x = torch::tanh(Normalize(bn1_, fc1_(x.flatten(2))));  // [N, B, hidden]
    x = torch::relu(Normalize(bn2_, fc2_(torch::cat({x, RunLstm(lstm_, x)}, -1))));
    x = Normalize(bn3_, fc3_(x)).unflatten(2, {channels_, bins_});
    return torch::relu(x * output_scale_ + output_mean_);
  }

  // Mean and deviation of the magnitudes of every bin, [F].
  void UseStatistics(const torch::Tensor& mean, const torch::Tensor& deviation) {
    const torch::NoGradGuard no_grad;
    input_mean_.copy_(-mean.slice(0, 0, seen_bins_));
    input_scale_.copy_(1.0 / deviation.slice(0, 0, seen_bins_));
  }

 private:
  // Every frame of every item is one sample for the statistics. [N, B, H] → the same.
  static torch::Tensor Normalize(BatchNorm1d& norm, const torch::Tensor& x) {
    return norm(x.flatten(0, 1)).reshape_as(x);
  }

  std::int64_t channels_, bins_, seen_bins_;
  torch::Tensor input_mean_, input_scale_, output_scale_, output_mean_;
  Linear fc1_{nullptr}, fc2_{nullptr}, fc3_{nullptr};
  BatchNorm1d bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr};
  torch::nn::LSTM lstm_{nullptr};
};
TORCH_MODULE(UnmixNetwork);

// Holds the networks by their stems' names.
class UnmixNetworksImpl : public torch::nn::Module {
 public:
  void Add(const std::string& stem, UnmixNetwork network) {
    networks_.push_back(register_module(stem, std::move(network)));
  }
  void UseStatistics(const torch::Tensor& mean, const torch::Tensor& deviation) {
    for (UnmixNetwork& network : networks_) network->UseStatistics(mean, deviation);
  }
  // [N, B, C, F] → [B, S, C, F, N].
  torch::Tensor forward(const torch::Tensor& magnitudes) {
    std::vector<torch::Tensor> masks;
    for (UnmixNetwork& network : networks_)
      masks.push_back(network(magnitudes).permute({1, 2, 3, 0}));
    return torch::stack(masks, 1);
  }

 private:
  std::vector<UnmixNetwork> networks_;
};
TORCH_MODULE(UnmixNetworks);

class OpenUnmix : public SeparationModel {
 public:
  OpenUnmix(const OpenUnmixOptions& options, ModelSetting setting)
      : SeparationModel(std::move(setting)), options_(options) {
    const std::int64_t bins = options.stft.n_fft / 2 + 1;
    stft_ = register_module("stft", StftLayer(options.stft));
    networks_ = register_module("target_models", UnmixNetworks());
    const std::size_t count = setting_.stems.size() - (options.residual ? 1 : 0);
    for (std::size_t i = 0; i < count; ++i)
      networks_->Add(setting_.stems[i],
                     UnmixNetwork(options, setting_.channels, bins, SeenBins(bins)));
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    const std::int64_t c = setting_.channels;
    const auto stems = static_cast<std::int64_t>(setting_.stems.size());
    const torch::Tensor spectrum =
        stft_->Transform(mix.flatten(0, 1)).unflatten(0, {-1, c});  // [B, C, F, N]
    const torch::Tensor parts = torch::view_as_real(spectrum);      // [B, C, F, N, 2]
    torch::Tensor estimates = FirstEstimates(spectrum, parts);
    if (options_.niter > 0)
      estimates = RefineByWiener(parts, estimates, {options_.niter, options_.wiener_win_len});
    const torch::Tensor spectra = torch::view_as_complex(estimates.flatten(0, 2).contiguous());
    return stft_->InvertToLengthOf(spectra, mix).unflatten(0, {-1, stems, c});
  }

  // As the original's get_statistics: of every bin the mean and the deviation over all frames of
  // the magnitudes, the channels' mean. Bins that hardly change are not blown up.
  void UseStatistics(const std::function<torch::Tensor()>& next) override {
    const torch::NoGradGuard no_grad;
    torch::Tensor sum, squares;  // [F], in double
    std::int64_t count = 0;
    for (torch::Tensor mix = next(); mix.defined(); mix = next()) {
      const torch::Tensor magnitudes =
          stft_->Transform(mix).abs().mean(0).to(torch::kFloat64);  // [F, N]
      sum = count == 0 ? magnitudes.sum(1) : sum + magnitudes.sum(1);
      squares = count == 0 ? magnitudes.square().sum(1) : squares + magnitudes.square().sum(1);
      count += magnitudes.size(1);
    }
    if (count == 0) return;
    const torch::Tensor mean = sum / count;
    torch::Tensor deviation = (squares / count - mean.square()).clamp_min(0.0).sqrt();
    deviation = torch::where(deviation > 0, deviation, torch::ones_like(deviation));
    networks_->UseStatistics(mean, torch::maximum(deviation, 1e-4 * deviation.max()));
  }

  // The STFT reflects n_fft / 2 frames at either end, which takes one frame more than that.
  LengthRule length_rule() const override {
    return {.dynamic = true, .offset_frames = options_.stft.n_fft / 2 + 1, .multiple_frames = 1};
  }

  std::int64_t widest_step_frames() const override {
    const std::int64_t window = options_.niter > 0 ? options_.wiener_win_len : 0;
    return std::max<std::int64_t>(1, window * options_.stft.hop);
  }

  nlohmann::json stft() const override { return stft_->Description(); }

 private:
  // The bins up to the bandwidth, as the original's bandwidth_to_max_bin counts them.
  std::int64_t SeenBins(std::int64_t bins) const {
    if (options_.max_bin > 0) return options_.max_bin;
    const double bin_hz = static_cast<double>(setting_.sample_rate_hz) / options_.stft.n_fft;
    const auto below = static_cast<std::int64_t>(std::floor(options_.bandwidth_hz / bin_hz));
    return std::min(below + 1, bins);
  }

  // Spectra with the mixture's phase, [B, S, C, F, N, 2].
  torch::Tensor FirstEstimates(const torch::Tensor& spectrum, const torch::Tensor& parts) {
    const torch::Tensor magnitudes = spectrum.abs().permute({3, 0, 1, 2}).contiguous();
    torch::Tensor masks = networks_(magnitudes);  // [B, S, C, F, N]
    if (options_.softmask) {
      const torch::Tensor spectrograms = masks * magnitudes.permute({1, 2, 3, 0}).unsqueeze(1);
      masks = spectrograms / (spectrograms.sum(1, /*keepdim=*/true) + 1e-10);
    }
    const torch::Tensor estimates = masks.unsqueeze(-1) * parts.unsqueeze(1);
    if (!options_.residual) return estimates;
    const torch::Tensor rest = parts.unsqueeze(1) - estimates.sum(1, /*keepdim=*/true);
    return torch::cat({estimates, rest}, 1);
  }

  OpenUnmixOptions options_;
  StftLayer stft_{nullptr};
  UnmixNetworks networks_{nullptr};
};

void CheckOpenUnmix(const OpenUnmixOptions& options, const Config& config,
                    const ModelSetting& setting) {
  if (options.max_bin > options.stft.n_fft / 2 + 1)
    throw Error::Usage("max_bin is beyond the last bin", config.Where("max_bin"),
                       "n_fft / 2 + 1 bins are all there are");
  if (!options.unidirectional && options.hidden_size % 2 != 0)
    throw Error::Usage("an odd hidden_size cannot be shared by two directions",
                       config.Where("hidden_size"), "use an even one, or unidirectional: true");
  if (options.residual && setting.stems.size() < 2)
    throw Error::Usage("a residual needs another stem whose rest it is", config.Where("residual"),
                       "name at least two stems; the last one is the residual");
  if (options.niter > 0 && (setting.stems.size() < 2 || setting.channels > 2))
    throw Error::Usage("the Wiener filter needs at least two stems and at most two channels",
                       config.Where("niter"), "use niter: 0");
  for (const std::string& stem : setting.stems) {
    // Names in a state dict are joined with dots.
    if (stem.empty() || stem.find('.') != std::string::npos)
      throw Error::Usage("the stem '" + stem + "' cannot name a network", config.Where(),
                         "open_unmix takes stems without dots in their names");
  }
}

}  // namespace

std::shared_ptr<SeparationModel> MakeOpenUnmix(const Config& config, const ModelSetting& setting) {
  const OpenUnmixOptions defaults;
  OpenUnmixOptions options;
  options.stft = defaults.stft.Read(config);
  options.bandwidth_hz = config.NumberIn("bandwidth_hz", defaults.bandwidth_hz, 1, 1e6);
  options.max_bin = config.IntegerIn("max_bin", defaults.max_bin, 0, 32769);
  options.hidden_size = config.IntegerIn("hidden_size", defaults.hidden_size, 1, 16384);
  options.nb_layers = config.IntegerIn("nb_layers", defaults.nb_layers, 1, 16);
  options.unidirectional = config.Bool("unidirectional", defaults.unidirectional);
  options.residual = config.Bool("residual", defaults.residual);
  options.softmask = config.Bool("softmask", defaults.softmask);
  options.niter = config.IntegerIn("niter", defaults.niter, 0, 100);
  options.wiener_win_len = config.IntegerIn("wiener_win_len", defaults.wiener_win_len, 0, 100000);
  CheckOpenUnmix(options, config, setting);
  return std::make_shared<OpenUnmix>(options, setting);
}

}  // namespace stemsmith
