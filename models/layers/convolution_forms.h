// The same convolution computed in different ways. Processors differ in which of them are right in
// 16 bits: with AMX, oneDNN (3.10, 3.13) gives garbage for strided convolutions of few channels,
// and for the gradients of transposed ones, which are computed by such.
#pragma once

#include <torch/torch.h>

#include <compare>
#include <cstdint>
#include <vector>

namespace stemsmith {

// What a convolution is told beside its tensors: a number per spatial dimension.
struct ConvolutionSpec {
  std::vector<std::int64_t> stride, padding, dilation, output_padding;
  std::int64_t groups = 1;
  bool transposed = false;

  auto operator<=>(const ConvolutionSpec&) const = default;
};

enum class ConvolutionForm {
  kPlain,  // as LibTorch computes it
  kDense,  // of stride 1, with `stride` neighbours in time (or frequency) as channels
};

// Whether the spec has a dense form for this weight, and whether that takes no more products: the
// kernel is a multiple of the stride. Other kernels get taps of zero.
bool HasDenseForm(const torch::Tensor& weight, const ConvolutionSpec& spec);
bool DenseFormFits(const torch::Tensor& weight, const ConvolutionSpec& spec);

// The weight of the dense form: [out, in · stride, taps / stride] for one along time, of a
// transposed one [in, out · stride, taps / stride]. The neighbours of a channel are beside each
// other.
torch::Tensor DenseWeight(const torch::Tensor& weight, const std::vector<std::int64_t>& stride);

// What torch::convolution gives, with all gradients, in the type of the tensors; autocast must be
// off. `bias` may be undefined.
torch::Tensor ConvolveInForm(ConvolutionForm form, const torch::Tensor& input,
                             const torch::Tensor& weight, const torch::Tensor& bias,
                             const ConvolutionSpec& spec);

}  // namespace stemsmith
