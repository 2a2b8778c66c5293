#include "models/layers/replication_pad.h"

#include <gtest/gtest.h>

namespace stemsmith {
namespace {

TEST(ReplicationPad, ByCopiesIsLibTorchsWithItsGradients) {
  torch::manual_seed(1);
  const auto both = [](const torch::Tensor& x, const std::vector<std::int64_t>& pad) {
    std::vector<torch::Tensor> results;
    for (const bool copies : {false, true}) {
      const torch::Tensor in = x.clone().requires_grad_();
      const torch::Tensor y = copies ? ReplicationPadByCopies(in, pad) : ReplicationPad(in, pad);
      const torch::Tensor weight = torch::arange(y.numel(), y.options()).view_as(y);
      (y * weight).sum().backward();
      results.insert(results.end(), {y.detach(), in.grad()});
    }
    EXPECT_TRUE(results[0].equal(results[2]));
    EXPECT_TRUE(torch::allclose(results[1], results[3], 1e-6));
  };
  both(torch::randn({3, 1, 7}), {4, 5});
  both(torch::randn({2, 3, 5, 4}), {0, 1, 0, 6});
  both(torch::randn({2, 3, 5, 4}), {0, 0, 0, 0});
}

}  // namespace
}  // namespace stemsmith
