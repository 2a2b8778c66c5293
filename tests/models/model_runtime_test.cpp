#include "models/model_runtime.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/models/tiny_models.h"

namespace stemsmith::testing {
namespace {

TEST(ModelRuntime, GivesWhatTheModelGivesInEvalModeAndLeavesItAsItWas) {
  const auto model = TinyModel("unet", Setting(3));
  Manifest manifest;
  manifest.stems = model->setting().stems;
  manifest.segment_frames = model->length_rule().AtLeast(1000);
  const torch::Tensor mix = torch::randn({2, 2, manifest.segment_frames});
  const torch::Tensor expected = model->forward(mix).detach();
  model->train();
  ModelRuntime runtime(*model, manifest, torch::kCPU);
  EXPECT_EQ(runtime.segments_at_once(), 1);
  torch::Tensor estimates = torch::full_like(expected, NAN);
  runtime.Run(mix.const_data_ptr<float>(), 2, manifest.segment_frames,
              estimates.mutable_data_ptr<float>());
  EXPECT_TRUE(torch::allclose(estimates, expected, 0, 1e-6));
  EXPECT_TRUE(model->is_training());
  for (const torch::Tensor& parameter : model->parameters())
    EXPECT_FALSE(parameter.grad().defined());
}

}  // namespace
}  // namespace stemsmith::testing
