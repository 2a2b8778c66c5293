// Levels of the hybrid Demucs (demucs/hdemucs.py: HEncLayer, HDecLayer, MultiWrap,
// ScaledEmbedding). A level works along frequency on [B, C, F, N], where time is left alone, or
// along time on [B, C, N]. Traceable for any batch and length.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "models/layers/dconv.h"

namespace stemsmith {

struct HybridLevelOptions {
  std::int64_t in = 0, out = 0;  // channels
  std::int64_t kernel_size = 8;
  std::int64_t stride = 4;
  bool frequency = true;          // along frequency, else along time
  bool pad = true;                // so that the size is divided (or multiplied) by the stride
  bool empty = false;             // the strided convolution alone
  std::int64_t norm_groups = 0;   // 0: not normalised
  bool rewrite = true;            // a convolution with gates
  std::int64_t context = 0;       // neighbours that it sees on either side
  bool context_frequency = true;  // also along frequency
  bool last = false;              // the decoder's last level: no activation
  bool dconv = true;
  DConvOptions dconv_options;
};

// What an encoder level and a wrapped one have in common.
class HybridEncoderModule : public torch::nn::Module {
 public:
  // `inject`, undefined or of the result's size, is added behind the strided convolution.
  virtual torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& inject) = 0;
};

class HybridEncoder : public HybridEncoderModule {
 public:
  explicit HybridEncoder(const HybridLevelOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& inject) override;

 private:
  HybridLevelOptions options_;
  torch::nn::AnyModule conv_, norm1_, rewrite_, norm2_;
  DConv dconv_{nullptr};
};

// What a decoder level gives: its result and the value before the transposed convolution.
struct HybridDecoded {
  torch::Tensor result, before;
};

class HybridDecoderModule : public torch::nn::Module {
 public:
  // `x` may be undefined, which stands for zeros. Of levels that work along time the result is as
  // long as `like`, the encoder level's input.
  virtual HybridDecoded forward(const torch::Tensor& x, const torch::Tensor& skip,
                                const torch::Tensor& like) = 0;
};

class HybridDecoder : public HybridDecoderModule {
 public:
  explicit HybridDecoder(const HybridLevelOptions& options);
  HybridDecoded forward(const torch::Tensor& x, const torch::Tensor& skip,
                        const torch::Tensor& like) override;
  const torch::Tensor& bias() const { return bias_; }  // of the transposed convolution

 private:
  HybridLevelOptions options_;
  torch::nn::AnyModule conv_tr_, norm2_, rewrite_, norm1_;
  torch::Tensor bias_;
  DConv dconv_{nullptr};
};

// The bins at which an encoder level of `bins` bins is split so that each part has weights of its
// own: one range [start, end) per part, overlapping by what the convolution sees. Empty where the
// ratios leave a part without bins.
struct BinRange {
  std::int64_t start, end;
};
std::vector<BinRange> EncoderRanges(const HybridLevelOptions& options,
                                    const std::vector<double>& ratios, std::int64_t bins);
// The same for a decoder level of `bins` bins; these do not overlap.
std::vector<BinRange> DecoderRanges(const std::vector<double>& ratios, std::int64_t bins);

// A level per range of bins; with equal weights the same as one level for all.
class BandedEncoder : public HybridEncoderModule {
 public:
  BandedEncoder(const HybridLevelOptions& options, std::vector<BinRange> ranges);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& inject) override;

 private:
  std::vector<BinRange> ranges_;
  std::int64_t padding_;
  torch::nn::ModuleList layers_;
};

class BandedDecoder : public HybridDecoderModule {
 public:
  BandedDecoder(const HybridLevelOptions& options, std::vector<BinRange> ranges);
  HybridDecoded forward(const torch::Tensor& x, const torch::Tensor& skip,
                        const torch::Tensor& like) override;

 private:
  std::vector<BinRange> ranges_;
  std::int64_t stride_;
  bool last_;
  torch::nn::ModuleList layers_;
};

// A vector per bin that tells convolutions how high they look. Stored divided by `scale`, so that
// it learns that much faster.
class ScaledEmbeddingImpl : public torch::nn::Module {
 public:
  // `smooth`: starts as a random walk over the bins instead of independent draws.
  ScaledEmbeddingImpl(std::int64_t bins, std::int64_t channels, double scale, bool smooth);
  torch::Tensor forward();  // [bins, channels]

 private:
  double scale_;
  torch::nn::Embedding embedding_{nullptr};
};
TORCH_MODULE(ScaledEmbedding);

}  // namespace stemsmith
