#include "train/freeze.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith {
namespace {
namespace freeze {

using ::testing::HasSubstr;
using testing::MessageOf;

class FreezeTest : public testing::TrainingTest {
 protected:
  std::map<std::string, torch::Tensor> Weights(const std::string& run, const std::string& name) {
    const NamedTensors weights = LoadCheckpoint(CheckpointPath(run, name)).weights;
    return {weights.begin(), weights.end()};
  }
  std::string Base() const { return "init=" + (folder_ / "base").string(); }
};

TEST_F(FreezeTest, FrozenPartsKeepWeightsAndStatistics) {
  RunTraining("base", {"train.steps=4"});
  // Validations, which switch modes, lie in between; decay and average must not reach them either.
  const std::vector<std::string> settings = {Base(),
                                             "freeze=[encoder.*, input_scale]",
                                             "train.steps=6",
                                             "ema.batch=[0.5]",
                                             "optimizer.weight_decay=0.1",
                                             "validate.every_steps=2"};
  RunTraining("tuned", settings);
  const auto before = Weights("base", "best"), after = Weights("tuned", "last");
  for (const auto& [name, tensor] : before) {
    const bool frozen = name.starts_with("encoder.") || name == "input_scale";
    EXPECT_EQ(torch::equal(tensor, after.at(name)), frozen) << name;
  }
  // The optimiser holds nothing of them.
  for (const auto& [name, tensor] : LoadCheckpoint(CheckpointPath("tuned", "last")).training)
    EXPECT_FALSE(name.starts_with("optimizer.") && name.find("encoder") != name.npos) << name;
}

TEST_F(FreezeTest, ANormThatIsTrainedInPartUpdatesItsStatistics) {
  RunTraining("base", {"train.steps=4"});
  RunTraining("tuned", {Base(), "freeze=[encoder.0.norm.weight]"});
  const auto before = Weights("base", "best"), after = Weights("tuned", "last");
  EXPECT_TRUE(torch::equal(before.at("encoder.0.norm.weight"), after.at("encoder.0.norm.weight")));
  EXPECT_FALSE(torch::equal(before.at("encoder.0.norm.running_var"),
                            after.at("encoder.0.norm.running_var")));
}

TEST_F(FreezeTest, NamesTheNearestParameterAndRefusesToFreezeAll) {
  const std::string problem = MessageOf([&] { RunTraining("run", {"freeze=[encodr.*]"}); });
  EXPECT_THAT(problem, HasSubstr("no parameter's name matches 'encodr.*'"));
  EXPECT_THAT(problem, HasSubstr("encoder.0."));
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"freeze=[\"*\"]"}); }),
              HasSubstr("leaves nothing to train"));
}

}  // namespace freeze
}  // namespace
}  // namespace stemsmith
