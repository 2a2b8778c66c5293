#include "models/model_cost.h"

#include <sys/resource.h>

#include <map>

#include "tests/models/tiny_models.h"

namespace stemsmith::testing::model_cost_test {
namespace {

class EveryModelsCost : public ModelTableTest {};
INSTANTIATE_TEST_SUITE_P(Table, EveryModelsCost, AllModels(),
                         [](const auto& info) { return info.param; });

TEST_P(EveryModelsCost, IsFoundOutWithoutData) {
  const auto model = TinyModel(GetParam());
  std::int64_t parameters = 0;
  for (const auto& parameter : model->parameters()) parameters += parameter.numel();
  const ModelCost cost = MeasureCost(TinyConfig(GetParam()), Setting(), 9000, 2);
  EXPECT_EQ(cost.parameters, parameters);
  EXPECT_EQ(cost.frames, model->length_rule().AtLeast(9000));
  EXPECT_GT(cost.macs, 1e5);
  EXPECT_GT(cost.inference_bytes, 4 * parameters);
  // Weights, gradients and two moments, and something for the batch, which grows with it.
  EXPECT_GT(cost.training_bytes, 16 * parameters);
  const ModelCost larger = MeasureCost(TinyConfig(GetParam()), Setting(), 9000, 4);
  EXPECT_GT(larger.training_bytes - 16 * parameters, 1.8 * (cost.training_bytes - 16 * parameters));
  EXPECT_EQ(larger.macs, cost.macs);
}

TEST_P(EveryModelsCost, ShapesOfTheStateTakeNoRandomNumbers) {
  const auto model = TinyModel(GetParam());
  torch::manual_seed(5);
  const torch::Tensor wanted = torch::rand({3});
  torch::manual_seed(5);
  const auto shapes = StateShapes(TinyConfig(GetParam()), Setting());
  EXPECT_TRUE(torch::equal(torch::rand({3}), wanted));
  const auto state = model->StateDict();
  ASSERT_EQ(shapes.size(), state.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_EQ(shapes[i].first, state[i].first);
    EXPECT_EQ(torch::IntArrayRef(shapes[i].second), state[i].second.sizes()) << state[i].first;
  }
}

TEST(ModelCost, CountsConvolutionsByHand) {
  // 1000 frames through widths 2 → 4 → 8 → 16 and back, kernels of 5, steps 500, 250, 125.
  const ModelCost cost = MeasureCost(TinyConfig("wave_unet"), Setting(), 1000, 1);
  EXPECT_EQ(cost.frames, 1000);
  const double down = 500 * 4 * 2 * 5 + 250 * 8 * 4 * 5 + 125 * 16 * 8 * 5;
  const double up = 125 * 16 * 8 * 5 + 250 * 16 * 4 * 5 + 500 * 8 * 6 * 5;
  EXPECT_EQ(cost.macs, down + up);
}

TEST(ModelCost, CountsRecurrentAndLinearLayersByHand) {
  const ModelCost cost = MeasureCost(TinyConfig("open_unmix"), Setting(), 64 * 99, 1);
  const double fc1 = 93 * 2 * 16, fc2 = 32 * 16, fc3 = 16 * 129 * 2;
  const double lstm = 2 * 2 * (32 * 16 + 32 * 8);  // layers, directions, gates of width 8
  EXPECT_EQ(cost.macs, 3 * 100 * (fc1 + lstm + fc2 + fc3));
}

TEST(ModelCost, TakesNoMemoryAndLeavesTorchAsItWas) {
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const ModelCost cost =
      MeasureCost(Config::Parse("name: demucs_v2", "m.yaml"), Setting(4), 6 * 44100, 4);
  getrusage(RUSAGE_SELF, &after);
  EXPECT_NEAR(static_cast<double>(cost.parameters), 265.68e6, 0.05e6);
  EXPECT_GT(cost.training_bytes, 16 * cost.parameters);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 200 << 10);  // KiB
  const auto tensor = torch::ones({3});
  EXPECT_TRUE(tensor.device().is_cpu());
  EXPECT_EQ(tensor.sum().item<float>(), 3.0f);
}

TEST(ModelCost, TheReceptiveFieldIsWhereChangesAreHeard) {
  for (const std::string options : {"kernel_size: 5, depth: 3", "kernel_size: 8, depth: 2",
                                    "kernel_size: 2, depth: 3", "kernel_size: 3, depth: 1"}) {
    torch::manual_seed(4);
    const auto model = MakeModel(
        Config::Parse("{name: wave_unet, mask: none, channels: 4, " + options + "}", "m.yaml"),
        Setting(1, 1));
    model->eval();
    const torch::NoGradGuard no_grad;
    std::int64_t widest = 0;
    const std::int64_t middle = 512;
    const auto mix = torch::randn({1, 1, 1024});
    const auto estimates = model->forward(mix);
    // Which frames of the result change with one of the mix, for one period of the strides, and
    // from them which of the mix one of the result depends on.
    std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> seen;
    for (std::int64_t frame = middle - 200; frame < middle + 200; ++frame) {
      auto changed = mix.clone();
      changed.slice(2, frame, frame + 1).add_(10.0);
      const auto heard = (model->forward(changed) - estimates).abs().flatten().gt(1e-6).nonzero();
      for (std::int64_t i = 0; i < heard.size(0); ++i) {
        const std::int64_t at = heard[i].item<std::int64_t>();
        const auto [entry, added] = seen.try_emplace(at, frame, frame);
        if (!added) entry->second.second = frame;
      }
    }
    for (std::int64_t at = middle; at < middle + 8; ++at)
      widest = std::max(widest, seen.at(at).second - seen.at(at).first + 1);
    EXPECT_EQ(model->receptive_field_frames(), widest) << options;
  }
}

}  // namespace
}  // namespace stemsmith::testing::model_cost_test
