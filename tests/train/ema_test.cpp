#include "train/ema.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith::ema_test {

using ::testing::HasSubstr;
using testing::MessageOf;
using ::testing::UnorderedElementsAre;
using Ema = testing::TrainingTest;

std::shared_ptr<SeparationModel> SmallModel() {
  const Config config = Config::Parse("{name: unet, n_fft: 64, hop: 16, depth: 2}", "test");
  return MakeModel(config, {{"low", "high"}, testing::kRate, 1});
}

const torch::Tensor& TensorOf(const NamedTensors& tensors, std::string_view name) {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return tensor;
  throw std::runtime_error("no tensor " + std::string(name));
}

TEST_F(Ema, IsTheWeightedMeanOfAllWeights) {
  const auto model = SmallModel();
  WeightAverage average("batch_0.8", 0.8, *model);
  torch::Tensor weight = model->parameters().front().detach();
  double sum = 0.0, weights = 0.0;
  for (int n = 1; n <= 30; ++n) {
    weight.fill_(n * n);
    average.Update();
    sum = 0.8 * sum + n * n, weights = 0.8 * weights + 1.0;
    EXPECT_NEAR(average.state().front().second.min().item<double>(), sum / weights,
                1e-4 * sum / weights)
        << "after " << n;
  }
}

TEST_F(Ema, CopiesCounts) {
  const auto model = SmallModel();
  WeightAverage average("batch_0.9", 0.9, *model);
  for (auto& [name, tensor] : model->StateDict())
    if (!tensor.is_floating_point()) tensor.fill_(7);
  average.Update();
  for (const auto& [name, tensor] : average.state()) {
    if (!tensor.is_floating_point()) {
      EXPECT_EQ(tensor.item<int>(), 7) << name;
    }
  }
}

TEST_F(Ema, RefusesSenselessDecays) {
  const auto model = SmallModel();
  for (const char* text : {"{batch: [0]}", "{epoch: [1]}", "{batch: [-0.5]}", "{batch: [0.9, 0.9]}",
                           "{batch: 0.9}", "{epoch: [x]}"}) {
    const Config config = Config::Parse(text, "test");
    EXPECT_THROW(WeightAverages(config, *model), Error) << text;
  }
}

TEST_F(Ema, TheOldKeyNamesTheNewOne) {
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"train.ema_decay=0.99"}); }),
              HasSubstr("ema: {batch: [0.99]}"));
}

TEST_F(Ema, TheBestOfAllAveragesIsKept) {
  const std::vector<std::string> settings = {"ema.batch=[0.5, 0.9]", "ema.epoch=[0.5]",
                                             "optimizer.lr=0.03", "schedule.name=constant"};
  const TrainResult result = RunTraining("run", settings);
  double best = -1e9;
  std::string name;
  for (const auto& record : MetricsLog::Read(folder_ / "run/metrics.jsonl")) {
    if (record["event"] != "validation") continue;
    for (const auto& [average, figures] : record["averages"].items()) {
      if (figures["mean_sdr_db"] <= best) continue;
      best = figures["mean_sdr_db"], name = average;
    }
    if (record["step"] != 12) continue;
    std::vector<std::string> names;
    for (const auto& [average, figures] : record["averages"].items()) names.push_back(average);
    EXPECT_THAT(names, UnorderedElementsAre("none", "batch_0.5", "batch_0.9", "epoch_0.5"));
  }
  EXPECT_EQ(result.best["average"], name);
  EXPECT_EQ(result.best["mean_sdr_db"], best);
}

TEST_F(Ema, TheBestCheckpointHoldsTheWeightsOfItsAverage) {
  // One validation, at the end: all that it chose from is in `last`.
  const TrainResult result = RunTraining("run", {"ema.batch=[0.5, 0.9]", "validate.every_steps=12",
                                                 "optimizer.lr=0.03", "schedule.name=constant"});
  const std::string name = result.best["average"];
  const Checkpoint best = LoadCheckpoint(CheckpointPath("run", "best"));
  const Checkpoint last = LoadCheckpoint(CheckpointPath("run", "last"));
  ASSERT_FALSE(best.weights.empty());
  int differences = 0;
  for (const auto& [key, tensor] : best.weights) {
    const torch::Tensor& chosen = name == "none"
                                      ? TensorOf(last.weights, key)
                                      : TensorOf(last.training, "average." + name + "." + key);
    EXPECT_TRUE(torch::equal(tensor, chosen)) << key;
    differences += torch::equal(tensor, TensorOf(last.weights, key)) ? 0 : 1;
  }
  EXPECT_EQ(differences > 0, name != "none");
}

TEST_F(Ema, EpochAveragesCountEpochs) {
  // Epochs of 3 batches.
  RunTraining("run", {"ema.epoch=[0.9]", "ema.batch=[0.9]", "train.steps=8"});
  const auto state = LoadCheckpoint(CheckpointPath("run", "last")).training_state;
  EXPECT_EQ(state["average_updates"]["epoch_0.9"], 2);
  EXPECT_EQ(state["average_updates"]["batch_0.9"], 8);
}

TEST_F(Ema, WithoutValidationTheFirstAverageIsExported) {
  const std::vector<std::string> settings = {"ema.batch=[0.9]", "validate.every_steps=0"};
  const TrainResult result = RunTraining("run", settings);
  const Checkpoint last = LoadCheckpoint(result.checkpoint);
  int differences = 0;
  for (const auto& [key, tensor] : last.weights) {
    EXPECT_TRUE(torch::equal(tensor, TensorOf(last.training, "average.batch_0.9." + key)));
    differences += torch::equal(tensor, TensorOf(last.training, "raw." + key)) ? 0 : 1;
  }
  EXPECT_GT(differences, 0);
  // And it goes on from the weights, not from the average.
  RunTraining("whole", {"ema.batch=[0.9]", "validate.every_steps=0", "train.steps=12",
                        "schedule.name=constant"});
  RunTraining("parts", {"ema.batch=[0.9]", "validate.every_steps=0", "train.steps=7",
                        "schedule.name=constant"});
  RunTraining(
      "parts",
      {"ema.batch=[0.9]", "validate.every_steps=0", "train.steps=12", "schedule.name=constant"},
      true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

}  // namespace stemsmith::ema_test
