#include "models/layers/hybrid_layers.h"

#include <cmath>

#include "models/layers/convolution.h"
#include "models/layers/traced_size.h"

namespace stemsmith {
namespace {

namespace nn = torch::nn;

// Padding that keeps the size a multiple: a quarter of the kernel on either side.
std::int64_t Padding(const HybridLevelOptions& options) {
  return options.pad ? options.kernel_size / 4 : 0;
}

nn::AnyModule StridedConvolution(const HybridLevelOptions& options) {
  const std::int64_t padding = Padding(options);
  if (options.frequency)
    return nn::AnyModule(Conv2d(nn::Conv2dOptions(options.in, options.out, {options.kernel_size, 1})
                                    .stride({options.stride, 1})
                                    .padding(torch::ExpandingArray<2>({padding, 0}))));
  return nn::AnyModule(Conv1d(nn::Conv1dOptions(options.in, options.out, options.kernel_size)
                                  .stride(options.stride)
                                  .padding(padding)));
}

// Doubles the channels for the gates.
nn::AnyModule Rewrite(const HybridLevelOptions& options, std::int64_t channels) {
  const std::int64_t c = options.context, width = 1 + 2 * c;
  if (!options.frequency)
    return nn::AnyModule(Conv1d(nn::Conv1dOptions(channels, 2 * channels, width).padding(c)));
  const std::int64_t bins = options.context_frequency ? c : 0;
  return nn::AnyModule(Conv2d(nn::Conv2dOptions(channels, 2 * channels, {1 + 2 * bins, width})
                                  .padding(torch::ExpandingArray<2>({bins, c}))));
}

nn::AnyModule Norm(const HybridLevelOptions& options, std::int64_t channels) {
  if (options.norm_groups == 0) return nn::AnyModule(nn::Identity());
  return nn::AnyModule(nn::GroupNorm(nn::GroupNormOptions(options.norm_groups, channels)));
}

// The branch looks along time, for each bin by itself.
torch::Tensor ApplyDConv(DConv& dconv, const torch::Tensor& x, bool frequency) {
  if (!frequency) return dconv(x);
  const std::int64_t bins = x.size(2);
  const torch::Tensor lines = x.permute({0, 2, 1, 3}).flatten(0, 1);  // [B · F, C, N]
  return dconv(lines).unflatten(0, {-1, bins}).permute({0, 2, 1, 3});
}

template <typename Level>
HybridLevelOptions InBand(HybridLevelOptions options);

// The bands' edges are padded where the whole has its edges only.
template <>
HybridLevelOptions InBand<HybridEncoder>(HybridLevelOptions options) {
  options.pad = false;
  return options;
}
template <>
HybridLevelOptions InBand<HybridDecoder>(HybridLevelOptions options) {
  options.pad = false;
  options.last = true;  // the activation comes behind the join
  return options;
}

template <typename Level>
void AddBands(nn::ModuleList& layers, const HybridLevelOptions& options, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    layers->push_back(std::make_shared<Level>(InBand<Level>(options)));
}

}  // namespace

HybridEncoder::HybridEncoder(const HybridLevelOptions& options) : options_(options) {
  conv_ = StridedConvolution(options);
  register_module("conv", conv_.ptr());
  if (options.empty) return;
  norm1_ = Norm(options, options.out);
  register_module("norm1", norm1_.ptr());
  if (options.rewrite) {
    rewrite_ = Rewrite(options, options.out);
    norm2_ = Norm(options, 2 * options.out);
    register_module("rewrite", rewrite_.ptr());
    register_module("norm2", norm2_.ptr());
  }
  if (options.dconv) dconv_ = register_module("dconv", DConv(options.out, options.dconv_options));
}

torch::Tensor HybridEncoder::forward(const torch::Tensor& input, const torch::Tensor& inject) {
  torch::Tensor x = input;
  if (!options_.frequency) {
    if (x.dim() == 4) x = x.flatten(1, 2);
    // A last step that is begun counts; zeros behind it are left over.
    x = torch::constant_pad_nd(x, {0, options_.stride - 1});
  }
  torch::Tensor y = conv_.forward(x);
  if (options_.empty) return y;
  if (inject.defined()) y = y + (inject.dim() < y.dim() ? inject.unsqueeze(2) : inject);
  y = torch::gelu(norm1_.forward(y));
  if (dconv_) y = ApplyDConv(dconv_, y, options_.frequency);
  if (options_.rewrite) y = torch::glu(norm2_.forward(rewrite_.forward(y)), 1);
  return y;
}

HybridDecoder::HybridDecoder(const HybridLevelOptions& options) : options_(options) {
  // The padding is cut off at once where nothing looks at it before.
  const std::int64_t cut = options.norm_groups == 0 ? Padding(options) : 0;
  if (options.frequency) {
    const ConvTranspose2d conv(
        nn::ConvTranspose2dOptions(options.in, options.out, {options.kernel_size, 1})
            .stride({options.stride, 1})
            .padding(torch::ExpandingArray<2>({cut, 0})));
    bias_ = conv->bias;
    conv_tr_ = nn::AnyModule(conv);
  } else {
    const ConvTranspose1d conv(
        nn::ConvTranspose1dOptions(options.in, options.out, options.kernel_size)
            .stride(options.stride));
    bias_ = conv->bias;
    conv_tr_ = nn::AnyModule(conv);
  }
  register_module("conv_tr", conv_tr_.ptr());
  norm2_ = Norm(options, options.out);
  register_module("norm2", norm2_.ptr());
  if (options.empty) return;
  if (options.rewrite) {
    rewrite_ = Rewrite(options, options.in);
    norm1_ = Norm(options, 2 * options.in);
    register_module("rewrite", rewrite_.ptr());
    register_module("norm1", norm1_.ptr());
  }
  if (options.dconv) dconv_ = register_module("dconv", DConv(options.in, options.dconv_options));
}

HybridDecoded HybridDecoder::forward(const torch::Tensor& x, const torch::Tensor& skip,
                                     const torch::Tensor& like) {
  torch::Tensor y = x;
  if (y.defined() && options_.frequency && y.dim() == 3) y = y.unflatten(1, {options_.in, -1});
  if (!options_.empty) {
    y = y.defined() ? y + skip : skip;
    if (options_.rewrite) y = torch::glu(norm1_.forward(rewrite_.forward(y)), 1);
    if (dconv_) y = ApplyDConv(dconv_, y, options_.frequency);
  }
  torch::Tensor z = norm2_.forward(conv_tr_.forward(y));
  const std::int64_t padding = Padding(options_);
  if (!options_.frequency) {
    z = SliceToSizeOf(z.slice(2, padding), 2, like, like.dim() - 1);
  } else if (padding > 0 && options_.norm_groups > 0) {
    z = z.slice(2, padding, -padding);
  }
  return {options_.last ? z : torch::gelu(z), y};
}

std::vector<BinRange> EncoderRanges(const HybridLevelOptions& options,
                                    const std::vector<double>& ratios, std::int64_t bins) {
  const std::int64_t padding = options.kernel_size / 4;
  std::vector<BinRange> ranges;
  std::int64_t start = 0;
  for (const double ratio : ratios) {
    const auto wanted =
        static_cast<std::int64_t>(std::nearbyint(static_cast<double>(bins) * ratio));
    const std::int64_t edge = start == 0 ? padding : 0;  // seen beyond the first bin
    const double span = static_cast<double>(wanted - start + edge - options.kernel_size);
    const auto steps =
        static_cast<std::int64_t>(std::nearbyint(span / static_cast<double>(options.stride) + 1));
    const std::int64_t end = start + (steps - 1) * options.stride + options.kernel_size - edge;
    if (steps < 1 || end <= start || end > bins) return {};
    ranges.push_back({start, end});
    start = end - options.kernel_size + options.stride;
    if (start <= 0) return {};
  }
  if (bins + padding - start < options.kernel_size) return {};
  ranges.push_back({start, bins});
  return ranges;
}

std::vector<BinRange> DecoderRanges(const std::vector<double>& ratios, std::int64_t bins) {
  std::vector<BinRange> ranges;
  std::int64_t start = 0;
  for (const double ratio : ratios) {
    const auto end = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(bins) * ratio));
    if (end <= start || end >= bins) return {};
    ranges.push_back({start, end});
    start = end;
  }
  ranges.push_back({start, bins});
  return ranges;
}

BandedEncoder::BandedEncoder(const HybridLevelOptions& options, std::vector<BinRange> ranges)
    : ranges_(std::move(ranges)), padding_(Padding(options)) {
  AddBands<HybridEncoder>(layers_, options, ranges_.size());
  register_module("layers", layers_);
}

torch::Tensor BandedEncoder::forward(const torch::Tensor& x, const torch::Tensor& inject) {
  TORCH_CHECK(!inject.defined(), "the branches do not join in a banded level");
  std::vector<torch::Tensor> parts;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const bool first = i == 0, last = i + 1 == ranges_.size();
    torch::Tensor part = x.slice(2, ranges_[i].start, ranges_[i].end);
    if (first || last)
      part = torch::constant_pad_nd(part, {0, 0, first ? padding_ : 0, last ? padding_ : 0});
    parts.push_back(layers_->ptr(i)->as<HybridEncoder>()->forward(part, {}));
  }
  return torch::cat(parts, 2);
}

BandedDecoder::BandedDecoder(const HybridLevelOptions& options, std::vector<BinRange> ranges)
    : ranges_(std::move(ranges)), stride_(options.stride), last_(options.last) {
  AddBands<HybridDecoder>(layers_, options, ranges_.size());
  register_module("layers", layers_);
}

HybridDecoded BandedDecoder::forward(const torch::Tensor& x, const torch::Tensor& skip,
                                     const torch::Tensor& like) {
  // Neighbours overlap by a stride of bins, where both add up; the bias counts once there.
  std::vector<torch::Tensor> parts;
  torch::Tensor tail;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const bool first = i == 0, last = i + 1 == ranges_.size();
    auto* layer = layers_->ptr(i)->as<HybridDecoder>();
    const auto part = [&](const torch::Tensor& y) {
      return y.defined() ? y.slice(2, ranges_[i].start, ranges_[i].end) : y;
    };
    const torch::Tensor z = layer->forward(part(x), part(skip), like).result;
    if (!first)
      parts.push_back(tail + z.slice(2, 0, stride_) - layer->bias().unsqueeze(1).unsqueeze(2));
    const std::int64_t begin = first ? stride_ / 2 : stride_;
    parts.push_back(z.slice(2, begin, last ? -stride_ / 2 : -stride_));
    tail = z.slice(2, -stride_);
  }
  const torch::Tensor z = torch::cat(parts, 2);
  return {last_ ? z : torch::gelu(z), {}};
}

ScaledEmbeddingImpl::ScaledEmbeddingImpl(std::int64_t bins, std::int64_t channels, double scale,
                                         bool smooth)
    : scale_(scale) {
  embedding_ = register_module("embedding", nn::Embedding(bins, channels));
  const torch::NoGradGuard no_grad;
  torch::Tensor weight = embedding_->weight;
  if (smooth) {
    const torch::Tensor steps = torch::arange(1, bins + 1, torch::kFloat32).sqrt().unsqueeze(1);
    weight.copy_(weight.cumsum(0) / steps);
  }
  weight.div_(scale);
}

torch::Tensor ScaledEmbeddingImpl::forward() { return embedding_->weight * scale_; }

}  // namespace stemsmith
