// The levels of a U-Net on spectrograms [B, channels, F, N]. All keep their module names whatever
// the options, so that weights move between versions that have the same parts.
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "models/layers/batch_norm.h"
#include "models/layers/blstm.h"
#include "models/layers/convolution.h"

namespace stemsmith {

struct UnetLevelOptions {
  std::int64_t kernel_size = 4;
  bool position = true;   // a bias per bin behind each downward convolution
  bool residual = false;  // a residual block behind each level's convolution
};

// Two 3 × 3 convolutions with batch norm, added to what came in (He et al. 2016; in U-Nets Zhang et
// al. 2018, arXiv:1711.10684): [B, channels, F, N] → the same.
class ResidualBlockImpl : public torch::nn::Module {
 public:
  explicit ResidualBlockImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  Conv2d conv1_{nullptr}, conv2_{nullptr};
  BatchNorm2d norm1_{nullptr}, norm2_{nullptr};
};
TORCH_MODULE(ResidualBlock);

// Halves frequency and time: [B, in, F, N] → [B, out, F/2, N/2], for even F and N. LeakyReLU 0.2.
class DownLevelImpl : public torch::nn::Module {
 public:
  DownLevelImpl(std::int64_t in, std::int64_t out, std::int64_t bins_out,
                const UnetLevelOptions& options);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  Conv2d conv_{nullptr};
  BatchNorm2d norm_{nullptr};
  torch::Tensor position_;  // undefined without
  ResidualBlock residual_{nullptr};
};
TORCH_MODULE(DownLevel);

// Doubles frequency and time: [B, in, F, N] → [B, out, 2F, 2N]; ReLU, then dropout. The last level
// gives bare numbers.
class UpLevelImpl : public torch::nn::Module {
 public:
  UpLevelImpl(std::int64_t in, std::int64_t out, bool last, double dropout,
              const UnetLevelOptions& options);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  ConvTranspose2d conv_{nullptr};
  BatchNorm2d norm_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
  ResidualBlock residual_{nullptr};
};
TORCH_MODULE(UpLevel);

// Lets through of a skip what the decoder asks for (Oktay et al. 2018, arXiv:1804.03999): both
// [B, channels, F, N] → the skip times a mask [B, 1, F, N].
class AttentionGateImpl : public torch::nn::Module {
 public:
  explicit AttentionGateImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& skip, const torch::Tensor& gate);

 private:
  Conv2d skip_{nullptr}, gate_{nullptr}, mask_{nullptr};
};
TORCH_MODULE(AttentionGate);

// A bidirectional LSTM along time over what the innermost level has in all bins: [B, channels, F,
// N] → the same, with what came in added.
class RecurrentBottleneckImpl : public torch::nn::Module {
 public:
  RecurrentBottleneckImpl(std::int64_t channels, std::int64_t bins, std::int64_t hidden);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  std::int64_t channels_, bins_;
  Conv1d narrow_{nullptr}, widen_{nullptr};
  Blstm blstm_{nullptr};
};
TORCH_MODULE(RecurrentBottleneck);

}  // namespace stemsmith
