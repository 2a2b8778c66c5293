#include "models/layers/batch_norm.h"

#include <algorithm>
#include <vector>

namespace stemsmith {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Carries the function through autograd's context, which keeps values of LibTorch's types only.
struct SumHolder : torch::CustomClassHolder {
  explicit SumHolder(SumOverRanks sum) : sum(std::move(sum)) {}
  SumOverRanks sum;
};

// [C] → [1, C, 1, …], to go with x [B, C, …].
torch::Tensor Along(const torch::Tensor& channels, const torch::Tensor& x) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[1] = -1;
  return channels.view(shape);
}

struct Statistics {
  torch::Tensor mean, variance;  // [C], float32; the variance divides by `count`
  double count = 0;              // values per channel
};

// Of all ranks together. Ranks add n · mean and n · (variance + mean²), in double, so that nothing
// is lost where the mean is large.
Statistics OverRanks(const torch::Tensor& x, const SumOverRanks& sum) {
  const torch::Tensor values = x.scalar_type() == torch::kFloat32 ? x : x.to(torch::kFloat32);
  // Several times as fast as at::var_mean over these dimensions.
  auto [mean, variance] = at::batch_norm_update_stats(values, {}, {}, /*momentum=*/0.0);
  variance = variance.to(torch::kFloat64);
  mean = mean.to(torch::kFloat64);
  const double count = static_cast<double>(x.numel() / x.size(1));
  const torch::Tensor counts = torch::full({1}, count, mean.options());
  torch::Tensor sums = torch::cat({counts, mean * count, (variance + mean * mean) * count});
  sum(sums);
  const std::int64_t channels = x.size(1);
  Statistics all;
  all.count = sums[0].item<double>();
  const torch::Tensor wide_mean = sums.slice(0, 1, 1 + channels) / all.count;
  all.variance = (sums.slice(0, 1 + channels) / all.count - wide_mean * wide_mean)
                     .clamp_min(0)
                     .to(torch::kFloat32);
  all.mean = wide_mean.to(torch::kFloat32);
  return all;
}

class SharedBatchNorm : public torch::autograd::Function<SharedBatchNorm> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias,
                               const torch::Tensor& mean, const torch::Tensor& variance,
                               double count, double eps, const SumOverRanks& sum) {
    context->save_for_backward({x, weight, mean, variance});
    context->saved_data["count"] = count;
    context->saved_data["eps"] = eps;
    context->saved_data["sum"] = torch::IValue::make_capsule(c10::make_intrusive<SumHolder>(sum));
    return std::get<0>(at::native_batch_norm(x, weight, bias, mean, variance, /*training=*/false,
                                             /*momentum=*/0.0, eps));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double count = context->saved_data["count"].toDouble();
    const double eps = context->saved_data["eps"].toDouble();
    const auto holder =
        c10::static_intrusive_pointer_cast<SumHolder>(context->saved_data["sum"].toCapsule());

    const torch::Tensor grad = gradients[0].contiguous();
    const auto [none, grad_weight, grad_bias] = at::native_batch_norm_backward(
        grad, x, weight, mean, variance, {}, {}, /*train=*/false, eps, {false, true, true});
    torch::Tensor sums = torch::cat({grad_bias, grad_weight}).to(torch::kFloat64);
    holder->sum(sums);
    const std::int64_t channels = x.size(1);
    const torch::Tensor inverse_std = torch::rsqrt(variance.to(torch::kFloat64) + eps);
    // With u the normalised x and g the gradient: weight / std · (g - mean(g) - u · mean(g · u)),
    // the means over all ranks.
    const torch::Tensor scale = weight.to(torch::kFloat64) * inverse_std;
    const torch::Tensor slope = scale * inverse_std * sums.slice(0, channels) / count;
    const torch::Tensor shift = slope * mean - scale * sums.slice(0, 0, channels) / count;
    const auto along = [&x](const torch::Tensor& of_channels) {
      return Along(of_channels.to(torch::kFloat32), x);
    };
    torch::Tensor grad_x = torch::addcmul(along(shift), x, along(slope), -1);
    grad_x = grad_x.addcmul_(grad, along(scale)).to(x.scalar_type());
    return {grad_x, grad_weight, grad_bias, {}, {}, {}, {}, {}};
  }
};

// `Layer` is one of LibTorch's batch norms.
template <typename Layer>
torch::Tensor Shared(Layer& layer, const torch::Tensor& x, const SumOverRanks& sum) {
  Statistics all;
  {
    torch::NoGradGuard no_grad;
    all = OverRanks(x, sum);
    if (layer.running_mean.defined()) {
      layer.num_batches_tracked += 1;
      const auto momentum = layer.options.momentum();
      const double share =
          momentum ? *momentum : 1.0 / layer.num_batches_tracked.template item<double>();
      layer.running_mean.mul_(1 - share).add_(all.mean, share);
      layer.running_var.mul_(1 - share).add_(all.variance,
                                             share * all.count / std::max(1.0, all.count - 1));
    }
  }
  return SharedBatchNorm::apply(x, layer.weight, layer.bias, all.mean, all.variance, all.count,
                                layer.options.eps(), sum);
}

}  // namespace

torch::Tensor BatchNorm1dImpl::forward(const torch::Tensor& x) {
  if (!sum_ || !is_training()) return torch::nn::BatchNorm1dImpl::forward(x);
  return Shared(*this, x, sum_);
}

torch::Tensor BatchNorm2dImpl::forward(const torch::Tensor& x) {
  if (!sum_ || !is_training()) return torch::nn::BatchNorm2dImpl::forward(x);
  return Shared(*this, x, sum_);
}

}  // namespace stemsmith
