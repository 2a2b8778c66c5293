#include "models/layers/convolution_trial.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <tuple>

#include "core/text.h"
#include "models/layers/autocast.h"

namespace stemsmith {
namespace {

using torch::Tensor;
using Sizes = std::vector<std::int64_t>;

// Rounding to bfloat16 gives 0.005; what is wrong is off by about 1.
constexpr double kWrong = 0.05;
// Multiply–accumulates of one pass that are enough to see it.
constexpr double kEnough = 1 << 26;

using Key = std::tuple<at::DeviceType, at::ScalarType, Sizes, Sizes, bool, ConvolutionSpec>;

struct Trials {
  std::mutex mutex;
  std::map<Key, std::optional<ConvolutionForm>> forms;
  std::vector<std::string> wrong;
};

Trials& AllTrials() {
  static Trials trials;
  return trials;
}

// Processors take steps in blocks, whose rests are computed in ways of their own: long inputs are
// shortened by whole multiples of any block.
Sizes ShortenedInput(Sizes sizes, const Tensor& weight, const ConvolutionSpec& spec) {
  constexpr std::int64_t kBlock = 64;
  const std::size_t dims = spec.stride.size();
  const auto macs = [&] {
    double count = static_cast<double>(weight.numel()) * static_cast<double>(sizes[0]);
    for (std::size_t d = 0; d < dims; ++d) {
      count *= static_cast<double>(sizes[d + 2]);
      if (!spec.transposed) count /= static_cast<double>(spec.stride[d]);
    }
    return count;
  };
  for (std::size_t d = dims; d-- > 0 && macs() > kEnough;) {
    std::int64_t& size = sizes[d + 2];
    const std::int64_t step = kBlock * spec.stride[d];
    const std::int64_t reach = spec.dilation[d] * weight.size(static_cast<std::int64_t>(d) + 2);
    const auto enough = static_cast<std::int64_t>(static_cast<double>(size) * kEnough / macs());
    const std::int64_t beyond = size - std::max(enough, reach + step);
    if (beyond > 0) size -= beyond / step * step;
  }
  return sizes;
}

// The largest error of the whole, and a tenth of that of a single value: over the deviation.
double ErrorOf(const Tensor& tried, const Tensor& expected) {
  const Tensor difference = (tried.to(torch::kFloat32) - expected).abs();
  const double size = expected.norm().item<double>();
  const double deviation = size / std::sqrt(static_cast<double>(expected.numel()));
  if (size == 0.0) return difference.max().item<double>();
  const double whole = difference.norm().item<double>() / size;
  const double single = difference.max().item<double>() / deviation / 10;
  return std::isfinite(whole + single) ? std::max(whole, single) : INFINITY;
}

class Trial {
 public:
  Trial(Sizes input, const Tensor& weight, bool bias, ConvolutionSpec spec, at::ScalarType type)
      : spec_(std::move(spec)), type_(type), options_(weight.options().dtype(torch::kFloat32)) {
    const double fan_in = static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
    inputs_ = {Random(input), Random(weight.sizes()).div_(std::sqrt(fan_in))};
    const std::int64_t out = spec_.transposed ? weight.size(1) * spec_.groups : weight.size(0);
    if (bias) inputs_.push_back(Random({out}));
    expected_ = Results(ConvolutionForm::kPlain, torch::kFloat32);
  }

  double Error(ConvolutionForm form) {
    const std::vector<Tensor> results = Results(form, type_);
    double error = 0.0;
    for (std::size_t i = 0; i < results.size(); ++i)
      error = std::max(error, ErrorOf(results[i], expected_[i]));
    return error;
  }

 private:
  // Of its own stream: what the model draws stays what it was.
  Tensor Random(at::IntArrayRef shape) {
    return torch::randn(shape, random_, torch::TensorOptions().dtype(torch::kFloat32))
        .to(options_.device());
  }

  // What the convolution gives, and the gradients of all that goes into it.
  std::vector<Tensor> Results(ConvolutionForm form, at::ScalarType type) {
    const torch::AutoGradMode gradients(true);
    std::vector<Tensor> leaves, cast;
    for (const Tensor& input : inputs_) {
      leaves.push_back(input.detach().requires_grad_());
      cast.push_back(leaves.back().to(type));
    }
    const Tensor result =
        ConvolveInForm(form, cast[0], cast[1], cast.size() > 2 ? cast[2] : Tensor(), spec_);
    if (!gradient_.defined()) gradient_ = Random(result.sizes());
    std::vector<Tensor> results =
        torch::autograd::grad({result}, leaves, {gradient_.to(result.scalar_type())});
    results.push_back(result.detach());
    return results;
  }

  ConvolutionSpec spec_;
  at::ScalarType type_;
  torch::TensorOptions options_;
  at::Generator random_ = at::detail::createCPUGenerator(/*seed_val=*/1);
  std::vector<Tensor> inputs_, expected_;
  Tensor gradient_;
};

// In the order of trying. On CPUs the plain form of what the dense one fits is not relied on: where
// it is wrong depends on the length.
std::vector<ConvolutionForm> Forms(const Tensor& weight, const ConvolutionSpec& spec,
                                   const torch::Device& device) {
  using enum ConvolutionForm;
  if (!HasDenseForm(weight, spec)) return {kPlain};
  if (device.is_cpu() && DenseFormFits(weight, spec)) return {kDense, kPlain};
  return {kPlain, kDense};
}

// "24 to 48 channels, kernel 8, stride 4, length 1024, off by 1.2".
std::string Describe(const Tensor& input, const Tensor& weight, const ConvolutionSpec& spec,
                     double error) {
  const std::int64_t out = spec.transposed ? weight.size(1) * spec.groups : weight.size(0);
  return std::to_string(input.size(1)) + " to " + std::to_string(out) + " channels" +
         (spec.transposed ? " (transposed)" : "") + ", kernel " +
         JoinNames(weight.sizes().slice(2), "x") + ", stride " + JoinNames(spec.stride, "x") +
         ", length " + JoinNames(input.sizes().slice(2), "x") + Formatted(", off by %.2g", error);
}

}  // namespace

std::optional<ConvolutionForm> RightForm(const Tensor& input, const Tensor& weight,
                                         const Tensor& bias, const ConvolutionSpec& spec,
                                         at::ScalarType type) {
  Sizes sizes = input.sizes().vec();
  sizes[0] = std::min<std::int64_t>(sizes[0], 2);
  Trials& trials = AllTrials();
  const std::lock_guard lock(trials.mutex);
  const Key key(input.device().type(), type, sizes, weight.sizes().vec(), bias.defined(), spec);
  if (const auto known = trials.forms.find(key); known != trials.forms.end()) return known->second;

  const AutocastScope plain(input.device().type(), std::nullopt);
  Trial trial(ShortenedInput(sizes, weight, spec), weight, bias.defined(), spec, type);
  std::optional<ConvolutionForm> right;
  double error = 0.0;
  for (const ConvolutionForm form : Forms(weight, spec, input.device())) {
    const double off = trial.Error(form);
    if (off <= kWrong) {
      right = form;
      break;
    }
    error = std::max(error, off);
  }
  if (!right) trials.wrong.push_back(Describe(input, weight, spec, error));
  trials.forms.emplace(key, right);
  return right;
}

std::vector<std::string> WrongConvolutions() {
  Trials& trials = AllTrials();
  const std::lock_guard lock(trials.mutex);
  return trials.wrong;
}

void ForgetConvolutionTrials() {
  Trials& trials = AllTrials();
  const std::lock_guard lock(trials.mutex);
  trials.forms.clear();
  trials.wrong.clear();
}

}  // namespace stemsmith
