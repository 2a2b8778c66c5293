#include "models/layers/convolution_forms.h"

#include <numeric>

namespace stemsmith {
namespace {

using torch::Tensor;
using Sizes = std::vector<std::int64_t>;

std::size_t Dims(const ConvolutionSpec& spec) { return spec.stride.size(); }

std::int64_t Kernel(const Tensor& weight, std::size_t d) {
  return weight.size(static_cast<std::int64_t>(d) + 2);
}

// The neighbours that become one step's channels.
std::int64_t Neighbours(const ConvolutionSpec& spec) {
  return std::accumulate(spec.stride.begin(), spec.stride.end(), std::int64_t{1},
                         std::multiplies<>());
}

// [a, b, n1 · s1, …] → [a, b · s1 · …, n1, …]: the neighbours of a step as its channels.
Tensor Fold(const Tensor& x, const Sizes& strides) {
  const auto dims = static_cast<std::int64_t>(strides.size());
  Sizes split = {x.size(0), x.size(1)}, order = {0, 1}, folded = {x.size(0), -1};
  for (std::int64_t d = 0; d < dims; ++d) {
    const std::int64_t stride = strides[static_cast<std::size_t>(d)];
    split.insert(split.end(), {x.size(d + 2) / stride, stride});
    folded.push_back(x.size(d + 2) / stride);
  }
  for (std::int64_t d = 0; d < dims; ++d) order.push_back(3 + 2 * d);
  for (std::int64_t d = 0; d < dims; ++d) order.push_back(2 + 2 * d);
  return x.reshape(split).permute(order).reshape(folded);
}

// The other way round.
Tensor Unfold(const Tensor& x, const Sizes& strides) {
  const auto dims = static_cast<std::int64_t>(strides.size());
  Sizes split = {x.size(0), -1}, order = {0, 1}, whole = {x.size(0), -1};
  split.insert(split.end(), strides.begin(), strides.end());
  for (std::int64_t d = 0; d < dims; ++d) {
    split.push_back(x.size(d + 2));
    order.insert(order.end(), {2 + dims + d, 2 + d});
    whole.push_back(x.size(d + 2) * strides[static_cast<std::size_t>(d)]);
  }
  whole[1] = x.size(1) /
             std::accumulate(strides.begin(), strides.end(), std::int64_t{1}, std::multiplies<>());
  return x.reshape(split).permute(order).reshape(whole);
}

// Zeros at the begin and at the end of each spatial dimension; negative counts cut off.
Tensor Pad(const Tensor& x, const Sizes& begin, const Sizes& end) {
  Sizes pads;
  bool any = false;
  for (std::size_t d = begin.size(); d-- > 0;) {
    pads.insert(pads.end(), {begin[d], end[d]});
    any = any || begin[d] != 0 || end[d] != 0;
  }
  return any ? torch::constant_pad_nd(x, pads) : x;
}

// Where nothing is folded the padding remains the convolution's.
Sizes RemainingPadding(const ConvolutionSpec& spec) {
  Sizes padding = spec.padding;
  for (std::size_t d = 0; d < Dims(spec); ++d)
    if (spec.stride[d] > 1) padding[d] = 0;
  return padding;
}

Tensor DenseConvolution(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvolutionSpec& spec) {
  const Tensor folded = DenseWeight(weight, spec.stride);
  Sizes begin(Dims(spec), 0), end(Dims(spec), 0);
  for (std::size_t d = 0; d < Dims(spec); ++d) {
    if (spec.stride[d] == 1) continue;
    const std::int64_t size = input.size(static_cast<std::int64_t>(d) + 2);
    const std::int64_t reached = size + 2 * spec.padding[d] - Kernel(weight, d);
    TORCH_CHECK(reached >= 0, "the kernel is longer than the input: ", input.sizes());
    const std::int64_t steps = reached / spec.stride[d] + Kernel(folded, d);
    begin[d] = spec.padding[d];
    end[d] = steps * spec.stride[d] - size - begin[d];
  }
  const Sizes ones(Dims(spec), 1), zeros(Dims(spec), 0);
  return at::convolution(Fold(Pad(input, begin, end), spec.stride), folded, bias, ones,
                         RemainingPadding(spec), spec.dilation, /*transposed=*/false, zeros,
                         /*groups=*/1);
}

Tensor DenseTransposed(const Tensor& input, const Tensor& weight, const Tensor& bias,
                       const ConvolutionSpec& spec) {
  const Sizes ones(Dims(spec), 1), zeros(Dims(spec), 0);
  const Tensor per_phase =
      bias.defined() ? bias.unsqueeze(1).expand({-1, Neighbours(spec)}).flatten() : bias;
  Tensor y = at::convolution(input, DenseWeight(weight, spec.stride), per_phase, ones,
                             RemainingPadding(spec), spec.dilation, /*transposed=*/true, zeros,
                             /*groups=*/1);
  y = Unfold(y, spec.stride);
  for (std::size_t d = 0; d < Dims(spec); ++d) {
    if (spec.stride[d] == 1) continue;
    const auto dim = static_cast<std::int64_t>(d) + 2;
    const std::int64_t size = (input.size(dim) - 1) * spec.stride[d] - 2 * spec.padding[d] +
                              Kernel(weight, d) + spec.output_padding[d];
    y = y.narrow(dim, spec.padding[d], size);
  }
  return y;
}

}  // namespace

bool HasDenseForm(const Tensor& weight, const ConvolutionSpec& spec) {
  if (spec.groups != 1 || Neighbours(spec) == 1) return false;
  for (std::size_t d = 0; d < Dims(spec); ++d) {
    const std::int64_t stride = spec.stride[d], more = spec.output_padding[d];
    if (stride == 1 ? more != 0 : spec.dilation[d] != 1) return false;
    // What is added at the end must be there before the padding is cut off.
    const std::int64_t zeros = (stride - Kernel(weight, d) % stride) % stride;
    if (spec.transposed && more > spec.padding[d] + zeros) return false;
  }
  return true;
}

bool DenseFormFits(const Tensor& weight, const ConvolutionSpec& spec) {
  if (!HasDenseForm(weight, spec)) return false;
  for (std::size_t d = 0; d < Dims(spec); ++d)
    if (Kernel(weight, d) % spec.stride[d] != 0) return false;
  return true;
}

Tensor DenseWeight(const Tensor& weight, const Sizes& stride) {
  Sizes missing;  // taps to whole strides
  for (std::size_t d = 0; d < stride.size(); ++d)
    missing.push_back((stride[d] - Kernel(weight, d) % stride[d]) % stride[d]);
  return Fold(Pad(weight, Sizes(stride.size(), 0), missing), stride);
}

Tensor ConvolveInForm(ConvolutionForm form, const Tensor& input, const Tensor& weight,
                      const Tensor& bias, const ConvolutionSpec& spec) {
  if (form == ConvolutionForm::kDense) {
    return spec.transposed ? DenseTransposed(input, weight, bias, spec)
                           : DenseConvolution(input, weight, bias, spec);
  }
  return at::convolution(input, weight, bias, spec.stride, spec.padding, spec.dilation,
                         spec.transposed, spec.output_padding, spec.groups);
}

}  // namespace stemsmith
