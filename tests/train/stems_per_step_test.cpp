// Steps on some of the stems.
#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/train/rank_threads.h"
#include "tests/train/training_fixture.h"
#include "train/training_loop.h"

namespace stemsmith {
namespace {
namespace stems_per_step {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MessageOf;

// A head for each stem.
constexpr const char* kModel =
    "model={name: bs_roformer, dim: 8, depth: 1, time_transformer_depth: 1, "
    "freq_transformer_depth: 1, dim_head: 4, heads: 2, stft_n_fft: 64, stft_win_length: 64, "
    "stft_hop_length: 16, freqs_per_bands: [16, 17]}";

class StemsPerStep : public testing::TrainingTest {
 protected:
  void Run(const std::string& run, std::vector<std::string> settings, bool resume = false) {
    settings.insert(settings.begin(), {kModel, "schedule.name=constant"});
    RunTraining(run, settings, resume);
  }
  Checkpoint Last(const std::string& run) const {
    return LoadCheckpoint(CheckpointPath(run, "last"));
  }
};

TEST_F(StemsPerStep, AllOfThemAreAsNoChoice) {
  Run("none", {"train.steps=4"});
  Run("all", {"train.steps=4", "train.stems_per_step=2"});
  ExpectSameCheckpoint(CheckpointPath("none", "last"), CheckpointPath("all", "last"));
}

// In a step one head gets gradients, the others stay as they are, and all have their turn.
TEST_F(StemsPerStep, EveryStemHasItsTurn) {
  std::map<std::string, torch::Tensor> before;
  int moved[2] = {0, 0};
  for (int steps = 1; steps <= 8; ++steps) {
    Run("run", {"train.steps=" + std::to_string(steps), "train.stems_per_step=1",
                "optimizer.weight_decay=0"},
        /*resume=*/steps > 1);
    bool moves[2] = {false, false};
    for (const auto& [name, tensor] : Last("run").weights) {
      for (const int head : {0, 1}) {
        const std::string prefix = "mask_estimators." + std::to_string(head) + ".";
        if (!name.starts_with(prefix)) continue;
        if (before.contains(name) && !torch::equal(before.at(name), tensor)) moves[head] = true;
      }
      before[name] = tensor;
    }
    if (steps == 1) continue;
    EXPECT_NE(moves[0], moves[1]) << steps;
    ++moved[moves[0] ? 0 : 1];
  }
  EXPECT_GT(moved[0], 0);
  EXPECT_GT(moved[1], 0);
}

TEST_F(StemsPerStep, ResumesExactly) {
  Run("whole", {"train.steps=8", "train.stems_per_step=1", "train.accumulate=2"});
  Run("parts", {"train.steps=4", "train.stems_per_step=1", "train.accumulate=2"});
  Run("parts", {"train.steps=8", "train.stems_per_step=1", "train.accumulate=2"}, /*resume=*/true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

TEST_F(StemsPerStep, RanksChooseTheSame) {
  Run("start", {"train.steps=1"});
  const std::vector<std::string> settings = {kModel,
                                             "init=" + (folder_ / "start").string(),
                                             "train.stems_per_step=1",
                                             "train.batch_size=2",
                                             "train.rank_timeout_seconds=60"};
  NamedTensors weights[2];
  const auto errors = testing::RunRanks(
      2,
      [&](Ranks& ranks) {
        const TrainRequest request = Request("two");
        TrainingLoop loop(Config::Load(folder_ / "config.yaml", settings), request, ranks);
        loop.Run();
        weights[ranks.rank()] = loop.model().StateDict();
      },
      /*timeout_seconds=*/60);
  ASSERT_THAT(errors, ElementsAre("", ""));
  ASSERT_FALSE(weights[0].empty());
  for (std::size_t i = 0; i < weights[0].size(); ++i)
    EXPECT_TRUE(torch::equal(weights[0][i].second, weights[1][i].second)) << weights[0][i].first;
}

TEST_F(StemsPerStep, SaysWhatItCannotDo) {
  EXPECT_THAT(MessageOf([&] { Run("run", {"train.stems_per_step=3"}); }),
              HasSubstr("train.stems_per_step is 3, and the cache has 2 stems"));
  EXPECT_THAT(MessageOf([&] { Run("run", {"train.stems_per_step=-1"}); }),
              HasSubstr("stems_per_step"));
  EXPECT_THAT(MessageOf([&] {
                RunTraining("run", {"loss=[{name: l1, domain: spectrogram}]",
                                    "train.stems_per_step=1"});
              }),
              HasSubstr("needs losses on waveforms"));
}

}  // namespace stems_per_step
}  // namespace
}  // namespace stemsmith
