// The numbers are compared with the Python original in tests/reference/test_demucs_v2.py.
#include <algorithm>

#include "core/error.h"
#include "models/layers/resample.h"
#include "tests/models/tiny_models.h"

namespace stemsmith::testing {
namespace {

std::shared_ptr<SeparationModel> Build(const std::string& options) {
  torch::manual_seed(5);
  auto model = MakeModel(Config::Parse("{name: demucs_v2, " + options + "}", "test"), Setting(2));
  model->eval();
  return model;
}

// Without recurrence a frame sees a bounded neighbourhood: what lies far away does not matter.
TEST(DemucsV2, TheCentreDoesNotDependOnThePadding) {
  torch::NoGradGuard no_grad;
  const auto model = Build("channels: 4, depth: 3, lstm_layers: 0");
  const std::int64_t multiple = model->length_rule().multiple_frames;
  const std::int64_t frames = model->length_rule().AtLeast(4000);
  const auto mix = torch::randn({1, 2, frames});
  const auto longer = torch::constant_pad_nd(mix, {2 * multiple, 2 * multiple});
  const auto direct = model->forward(mix);
  const auto inside = model->forward(longer).slice(-1, 2 * multiple, -2 * multiple);
  const std::int64_t edge = 500;
  const double peak = direct.abs().max().item<double>();
  EXPECT_LE((direct - inside).slice(-1, edge, -edge).abs().max().item<double>(), 1e-5 * peak);
}

TEST(DemucsV2, AnyCombinationOfOptionsKeepsTheLength) {
  torch::NoGradGuard no_grad;
  for (const char* options :
       {"depth: 2, stride: 3", "depth: 3, stride: 3, resample: false",
        "depth: 2, kernel_size: 7, context: 1", "depth: 2, kernel_size: 5, stride: 5, context: 4",
        "depth: 2, rewrite: false", "depth: 1, context: 9",
        "depth: 3, rewrite: false, glu: false, lstm_layers: 0",
        "depth: 2, growth: 0.5, normalize: true"})
    for (const std::int64_t frames : {1, 1000, 1001, 1002, 1003}) {
      const auto model = Build(std::string("channels: 4, ") + options);
      EXPECT_EQ(model->forward(torch::randn({2, 2, frames})).size(-1), frames) << options;
      const std::int64_t valid =
          model->length_rule().AtLeast(frames) + model->length_rule().multiple_frames;
      EXPECT_EQ(model->Separate(torch::randn({2, 2, valid})).size(-1), valid) << options;
    }
}

TEST(DemucsV2, NamesAreTheOriginals) {
  const auto model = Build("channels: 4, depth: 2");
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model->StateDict()) names.push_back(name);
  std::sort(names.begin(), names.end());
  std::vector<std::string> expected;
  for (const char* layer :
       {"encoder.0.0", "encoder.0.2", "encoder.1.0", "encoder.1.2", "decoder.0.0", "decoder.0.2",
        "decoder.1.0", "decoder.1.2", "lstm.linear"})
    for (const char* kind : {".weight", ".bias"}) expected.push_back(std::string(layer) + kind);
  for (const char* kind : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"})
    for (const char* layer : {"_l0", "_l0_reverse", "_l1", "_l1_reverse"})
      expected.push_back(std::string("lstm.lstm.") + kind + layer);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(names, expected);
}

TEST(DemucsV2, SenselessOptionsAreErrors) {
  for (const char* options :
       {"kernel_size: 2, stride: 4", "growth: 0.1, channels: 4", "stride: 1",
        "depth: 12, channels: 4096", "depth: 12, growth: 1, stride: 64, kernel_size: 64"})
    EXPECT_THROW(Build(options), Error) << options;
}

TEST(Resample, DoublesAndHalvesWhatLiesBelowTheCutOff) {
  const std::int64_t frames = 4000;
  const auto time = torch::arange(2 * frames, torch::kFloat64) / 2;
  auto tone = [](const torch::Tensor& t) {
    return torch::sin(t * 0.7).to(torch::kFloat32).unsqueeze(0);
  };
  const auto at_rate = tone(torch::arange(frames, torch::kFloat64)), at_double = tone(time);
  const auto doubled = DoubleRate()(at_rate), halved = HalveRate()(at_double);
  ASSERT_EQ(doubled.size(1), 2 * frames);
  ASSERT_EQ(halved.size(1), frames);
  // The windowed sinc's ripple is about 60 dB down; edges differ because they are replicated.
  EXPECT_LE((doubled - at_double).slice(1, 200, -200).abs().max().item<double>(), 1e-3);
  EXPECT_LE((halved - at_rate).slice(1, 100, -100).abs().max().item<double>(), 1e-3);
  EXPECT_EQ(HalveRate()(at_double.slice(1, 0, 2 * frames - 1)).size(1), frames - 1);
}

}  // namespace
}  // namespace stemsmith::testing
