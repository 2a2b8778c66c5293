#include "models/layers/batch_norm.h"

#include <gtest/gtest.h>

#include <barrier>
#include <thread>

namespace stemsmith {
namespace batch_norm_test {

// Two ranks as two threads.
class TwoRanks {
 public:
  SumOverRanks SumOf(int rank) {
    return [this, rank](torch::Tensor& tensor) {
      given_[rank] = tensor.clone();
      barrier_.arrive_and_wait();
      tensor.copy_(given_[0] + given_[1]);
      barrier_.arrive_and_wait();
    };
  }

 private:
  torch::Tensor given_[2];
  std::barrier<> barrier_{2};
};

template <typename Layer>
Layer MakeLayer() {
  torch::manual_seed(3);
  Layer layer(3);
  torch::NoGradGuard no_grad;
  layer->weight.uniform_(0.5, 2.0);
  layer->bias.uniform_(-1, 1);
  return layer;
}

void ExpectClose(const torch::Tensor& actual, const torch::Tensor& expected, const char* what) {
  const double peak = expected.abs().max().item<double>();
  EXPECT_LE((actual - expected).abs().max().item<double>(), 1e-5 * peak) << what;
}

// Unequal shares of `x`, so that ranks count by their values; training twice.
template <typename Layer>
void ExpectAsOne(const torch::Tensor& x) {
  Layer whole = MakeLayer<Layer>();
  const torch::Tensor all = x.clone().requires_grad_();
  const torch::Tensor factors = torch::rand_like(x);
  whole(all);
  const torch::Tensor expected = whole(all);
  (expected * factors).sum().backward();

  TwoRanks ranks;
  const std::vector<torch::Tensor> shares = {x.slice(0, 0, 1), x.slice(0, 1)};
  const std::vector<torch::Tensor> share_factors = {factors.slice(0, 0, 1), factors.slice(0, 1)};
  std::vector<Layer> layers = {MakeLayer<Layer>(), MakeLayer<Layer>()};
  std::vector<torch::Tensor> inputs(2), outputs(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      layers[rank]->ShareStatistics(ranks.SumOf(rank));
      inputs[rank] = shares[rank].clone().requires_grad_();
      layers[rank](inputs[rank]);
      outputs[rank] = layers[rank](inputs[rank]);
      (outputs[rank] * share_factors[rank]).sum().backward();
    });
  }
  for (std::thread& thread : threads) thread.join();

  ExpectClose(torch::cat({outputs[0], outputs[1]}), expected, "outputs");
  ExpectClose(torch::cat({inputs[0].grad(), inputs[1].grad()}), all.grad(), "gradients of inputs");
  ExpectClose(layers[0]->weight.grad() + layers[1]->weight.grad(), whole->weight.grad(), "weights");
  ExpectClose(layers[0]->bias.grad() + layers[1]->bias.grad(), whole->bias.grad(), "biases");
  for (const Layer& layer : layers) {
    ExpectClose(layer->running_mean, whole->running_mean, "running mean");
    ExpectClose(layer->running_var, whole->running_var, "running variance");
    EXPECT_EQ(layer->num_batches_tracked.template item<std::int64_t>(), 2);
  }
  layers[0]->eval();
  whole->eval();
  ExpectClose(layers[0](x), whole(x), "in use");
}

TEST(BatchNorm, SharedStatisticsAreThoseOfAllRanksTogether) {
  torch::manual_seed(1);
  ExpectAsOne<BatchNorm2d>(torch::randn({3, 3, 4, 5}) * 2 + 1);
  ExpectAsOne<BatchNorm1d>(torch::randn({3, 3, 9}) * 0.1 - 4);
  ExpectAsOne<BatchNorm1d>(torch::randn({6, 3}) + 10);
}

TEST(BatchNorm, IsLibTorchsUntilStatisticsAreShared) {
  torch::manual_seed(1);
  const torch::Tensor x = torch::randn({2, 3, 4, 5});
  torch::nn::BatchNorm2d theirs(3);
  BatchNorm2d ours(3);
  EXPECT_TRUE(torch::equal(ours(x), theirs(x)));
  EXPECT_TRUE(torch::equal(ours->running_var, theirs->running_var));
}

}  // namespace batch_norm_test
}  // namespace stemsmith
