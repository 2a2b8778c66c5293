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

// Notes how exactly GPUs were to compute while it ran.
class NotesPrecision : public SeparationModel {
 public:
  NotesPrecision() : SeparationModel({{"a"}, 44100, 1}) {}
  LengthRule length_rule() const override { return {}; }
  bool rounds() const { return rounds_; }
  torch::Tensor Separate(const torch::Tensor& mix) override {
    rounds_ = at::globalContext().allowTF32CuDNN() || at::globalContext().allowTF32CuBLAS();
    return mix.unsqueeze(1);
  }

 private:
  bool rounds_ = true;
};

TEST(ModelRuntime, ComputesFloat32InFullOnGpusAndLeavesTheSettingAsItWas) {
  NotesPrecision model;
  Manifest manifest;
  manifest.stems = {"a"};
  manifest.channels = 1;
  ASSERT_TRUE(at::globalContext().allowTF32CuDNN()) << "LibTorch's own, with which models train";
  ModelRuntime runtime(model, manifest, torch::kCPU);
  const std::vector<float> mix(8, 1.0f);
  std::vector<float> estimates(8);
  runtime.Run(mix.data(), 1, 8, estimates.data());
  EXPECT_EQ(estimates, mix);
  EXPECT_FALSE(model.rounds());
  EXPECT_TRUE(at::globalContext().allowTF32CuDNN());
}

}  // namespace
}  // namespace stemsmith::testing
