#include "models/layers/bands.h"

#include <algorithm>
#include <cmath>

#include "models/layers/linear.h"

namespace stemsmith {
namespace {

namespace nn = torch::nn;

// The mel scale of Slaney's Auditory Toolbox, as in librosa: linear below 1 kHz, logarithmic above.
constexpr double kLinearHz = 200.0 / 3, kLogFromHz = 1000, kLogFromMel = kLogFromHz / kLinearHz;
const double kLogStep = std::log(6.4) / 27;

double Mel(double hz) {
  return hz >= kLogFromHz ? kLogFromMel + std::log(hz / kLogFromHz) / kLogStep : hz / kLinearHz;
}
double Hz(double mel) {
  return mel >= kLogFromMel ? kLogFromHz * std::exp(kLogStep * (mel - kLogFromMel))
                            : kLinearHz * mel;
}

// The multilayer perceptron of one band, whose result has a gate per number.
class MaskPart : public nn::Module {
 public:
  MaskPart(std::int64_t in, std::int64_t out, std::int64_t hidden, std::int64_t hidden_layers) {
    for (std::int64_t i = 0; i < hidden_layers; ++i) {
      layers_->push_back(Linear(i == 0 ? in : hidden, hidden));
      layers_->push_back(nn::Tanh());
    }
    layers_->push_back(Linear(hidden_layers == 0 ? in : hidden, 2 * out));
    register_module("0", layers_);
  }
  torch::Tensor forward(const torch::Tensor& x) { return torch::glu(layers_->forward(x), -1); }

 private:
  nn::Sequential layers_;
};

// Masks of bands [B, N, bins · parts] one behind the other, zeros between, before and behind them.
torch::Tensor Joined(const std::vector<torch::Tensor>& masks, const Bands& bands,
                     std::int64_t bins, std::int64_t parts) {
  std::vector<torch::Tensor> pieces;
  std::int64_t end = 0;
  for (std::size_t i = 0; i < bands.size(); ++i) {
    const std::int64_t before = bands[i].first - end;
    end = bands[i].first + bands[i].bins;
    const std::int64_t behind = i + 1 == bands.size() ? bins - end : 0;
    pieces.push_back(before + behind == 0
                         ? masks[i]
                         : torch::constant_pad_nd(masks[i], {before * parts, behind * parts}));
  }
  return torch::cat(pieces, -1);
}

}  // namespace

Bands AdjoiningBands(const std::vector<std::int64_t>& widths) {
  Bands bands;
  std::int64_t first = 0;
  for (const std::int64_t width : widths) {
    bands.push_back({first, width});
    first += width;
  }
  return bands;
}

Bands MelBands(std::int64_t sample_rate_hz, std::int64_t n_fft, std::int64_t count) {
  // In float64 and in librosa's order of operations, so that edges which fall on bins do so here.
  const double rate = static_cast<double>(sample_rate_hz), top = Mel(rate / 2);
  const double step = top / static_cast<double>(count + 1);
  const double bin_hz = 1 / (static_cast<double>(n_fft) * (1 / rate));
  std::vector<double> edges;
  for (std::int64_t i = 0; i <= count; ++i) edges.push_back(Hz(static_cast<double>(i) * step));
  edges.push_back(Hz(top));
  const std::int64_t bins = n_fft / 2 + 1;
  const auto frequency = [&](std::int64_t bin) { return static_cast<double>(bin) * bin_hz; };
  Bands bands;
  std::int64_t first = 0, end = 0;
  for (std::size_t i = 0; i + 2 < edges.size(); ++i) {
    while (first < bins && frequency(first) <= edges[i]) ++first;
    end = std::max(end, first);
    while (end < bins && frequency(end) < edges[i + 2]) ++end;
    bands.push_back({first, end - first});
  }
  bands.front() = {0, bands.front().first + bands.front().bins};
  bands.back().bins = bins - bands.back().first;
  return bands;
}

BandSplitImpl::BandSplitImpl(const BandOptions& options) : options_(options) {
  for (const Band& band : options.bands) {
    const std::int64_t numbers = band.bins * options.parts;
    to_features_->push_back(
        nn::Sequential(RmsNorm(numbers), Linear(numbers, options.width)));
  }
  register_module("to_features", to_features_);
}

torch::Tensor BandSplitImpl::forward(const torch::Tensor& rows) {
  std::vector<torch::Tensor> tokens;
  for (std::size_t i = 0; i < options_.bands.size(); ++i) {
    const auto& [first, bins] = options_.bands[i];
    const torch::Tensor band =
        rows.slice(-1, first * options_.parts, (first + bins) * options_.parts);
    tokens.push_back(to_features_->ptr(i)->as<nn::Sequential>()->forward(band));
  }
  return torch::stack(tokens, 1).to(torch::kFloat32);
}

MaskEstimatorImpl::MaskEstimatorImpl(const BandOptions& options, std::int64_t hidden,
                                     std::int64_t hidden_layers)
    : options_(options) {
  for (const Band& band : options.bands)
    to_freqs_->push_back(std::make_shared<MaskPart>(options.width, band.bins * options.parts,
                                                    hidden, hidden_layers));
  register_module("to_freqs", to_freqs_);
}

torch::Tensor MaskEstimatorImpl::forward(const torch::Tensor& tokens) {
  // Those that overlap in turns: two rows of bands, in each of which none does.
  Bands rows[2];
  std::vector<torch::Tensor> masks[2];
  std::int64_t bins = 0, row = 0, end = 0;
  for (std::size_t i = 0; i < options_.bands.size(); ++i) {
    const Band& band = options_.bands[i];
    row = band.first < end ? 1 - row : row;
    end = band.first + band.bins;
    bins = std::max(bins, end);
    rows[row].push_back(band);
    masks[row].push_back(to_freqs_->ptr(i)->as<MaskPart>()->forward(
        tokens.select(0, static_cast<std::int64_t>(i))));
  }
  const torch::Tensor first = Joined(masks[0], rows[0], bins, options_.parts);
  const torch::Tensor all =
      rows[1].empty() ? first : first + Joined(masks[1], rows[1], bins, options_.parts);
  return all.to(torch::kFloat32);
}

}  // namespace stemsmith
