// What a training does beside its steps, by two ranks: as one rank with the doubled batch does it,
// and with the same weights on both.
#include <gmock/gmock.h>

#include "tests/train/rank_threads.h"
#include "tests/train/training_fixture.h"
#include "train/training_loop.h"

namespace stemsmith::testing::ranks_training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RanksTraining : public TrainingTest {
 protected:
  // Plain descent, which blows no rounding up, from weights of a file: the ranks, as threads, share
  // the random stream that they would start from.
  std::vector<std::string> Settings(const std::vector<std::string>& more) {
    if (!std::filesystem::exists(folder_ / "start")) {
      RunTraining("start",
                  {"train.steps=1", "validate.every_steps=0", "model=" + model_, "augment=[]"});
    }
    std::vector<std::string> settings = {"model=" + model_,
                                         "init=" + (folder_ / "start").string(),
                                         "optimizer={name: sgd, lr: 1e-2, momentum: 0.9}",
                                         "schedule.name=constant",
                                         "train.rank_timeout_seconds=60",
                                         "train.batch_size=2",
                                         "train.steps=8"};
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
  }

  void RunOne(const std::string& run, std::vector<std::string> more = {}) {
    more.push_back("train.batch_size=4");
    RunTraining(run, Settings(more));
  }

  // Both end with the same weights.
  void RunTwo(const std::string& run, const std::vector<std::string>& more = {}) {
    const std::vector<std::string> settings = Settings(more);
    NamedTensors weights[2];
    const auto errors = RunRanks(
        2,
        [&](Ranks& ranks) {
          const Config config = Config::Load(folder_ / "config.yaml", settings);
          const TrainRequest request = Request(run);
          TrainingLoop loop(config, request, ranks);
          loop.Run();
          weights[ranks.rank()] = loop.model().StateDict();
        },
        /*timeout_seconds=*/60);
    ASSERT_THAT(errors, ElementsAre("", ""));
    ASSERT_FALSE(weights[0].empty());
    for (std::size_t i = 0; i < weights[0].size(); ++i) {
      EXPECT_TRUE(torch::equal(weights[0][i].second, weights[1][i].second)) << weights[0][i].first;
      EXPECT_TRUE(weights[0][i].second.to(torch::kFloat32).isfinite().all().item<bool>());
    }
  }

  // Losses, weights and what belongs to them differ by rounding.
  void ExpectAsOne(const std::vector<std::string>& more, double tolerance = 1e-5) {
    RunOne("one", more);
    RunTwo("two", more);
    for (const char* event : {"train", "validation"}) {
      const std::vector<double> one = Losses("one", event), two = Losses("two", event);
      ASSERT_FALSE(one.empty());
      ASSERT_EQ(one.size(), two.size());
      for (std::size_t i = 0; i < one.size(); ++i)
        EXPECT_NEAR(one[i], two[i], tolerance * one[i]) << event << " " << i;
    }
    const Checkpoint one = Last("one"), two = Last("two");
    for (const auto part : {&Checkpoint::weights, &Checkpoint::training}) {
      for (const auto& [name, tensor] : one.*part) {
        if (name.starts_with("random.")) continue;
        const torch::Tensor other = Find(two.*part, name);
        ASSERT_TRUE(other.defined()) << name;
        EXPECT_TRUE(torch::allclose(tensor.to(torch::kFloat32), other.to(torch::kFloat32),
                                    tolerance, tolerance))
            << name;
      }
    }
  }

  Checkpoint Last(const std::string& run) const {
    return LoadCheckpoint(CheckpointPath(run, "last"));
  }
  static torch::Tensor Find(const NamedTensors& tensors, const std::string& name) {
    for (const auto& [key, tensor] : tensors)
      if (key == name) return tensor;
    return {};
  }
  std::vector<nlohmann::json> Records(const std::string& run, const std::string& event) const {
    std::vector<nlohmann::json> found;
    for (const auto& record : MetricsLog::Read(folder_ / run / "metrics.jsonl"))
      if (record["event"] == event) found.push_back(record);
    return found;
  }

  std::string model_ = "{name: unet, n_fft: 64, hop: 16, depth: 2, channels: 4}";
};

TEST_F(RanksTraining, AveragesOfWeightsAreThoseOfOne) {
  // An epoch is three steps.
  ExpectAsOne({"ema.batch=[0.5]", "ema.epoch=[0.5]", "dataset.samples_per_epoch=12"});
  const nlohmann::json updates = Last("two").training_state["average_updates"];
  EXPECT_EQ(updates, Last("one").training_state["average_updates"]);
  EXPECT_EQ(updates["epoch_0.5"], 2);
  EXPECT_TRUE(Find(Last("two").training, "average.epoch_0.5.output_scale").defined());
  EXPECT_EQ(Records("two", "validation").back()["averages"].size(), 3u);
}

TEST_F(RanksTraining, BatchesOfAStepAddUp) {
  ExpectAsOne({"train.accumulate=2", "dataset.samples_per_epoch=24"});
}

TEST_F(RanksTraining, WholeSongsAreJudgedAsByOne) {
  ExpectAsOne({"validate.songs_every=1", "validate.max_seconds=40"});
  const auto one = Records("one", "validation"), two = Records("two", "validation");
  ASSERT_EQ(two.size(), 2u);
  for (std::size_t i = 0; i < two.size(); ++i) {
    const auto &a = one[i]["songs"], &b = two[i]["songs"];
    ASSERT_EQ(b["songs"].size(), 2u);
    EXPECT_NEAR(a["mean_nsdr_db"].get<double>(), b["mean_nsdr_db"].get<double>(), 1e-3);
  }
}

TEST_F(RanksTraining, CheckpointedActivationsChangeNoBit) {
  model_ = "{name: unet, n_fft: 64, hop: 16, depth: 2, channels: 4, residual: true}";
  RunTwo("plain");
  RunTwo("checkpointed", {"train.activation_checkpointing=true"});
  EXPECT_EQ(Losses("plain", "train"), Losses("checkpointed", "train"));
  const Checkpoint plain = Last("plain"), checkpointed = Last("checkpointed");
  for (const auto& [name, tensor] : plain.weights)
    EXPECT_TRUE(torch::equal(tensor, Find(checkpointed.weights, name))) << name;
}

TEST_F(RanksTraining, Bfloat16DiffersByItsRounding) {
  any_precision_ = true;
  ExpectAsOne({"train.precision=bfloat16"}, 0.02);
}

TEST_F(RanksTraining, Float16LeavesTheSameStepsOut) {
  any_precision_ = true;
  const std::vector<std::string> settings = {"train.precision=float16",
                                             "loss=[{name: l1, weight: 1e5}]", "optimizer.lr=1e-7",
                                             "train.steps=14"};
  RunTwo("two", settings);
  const nlohmann::json scaler = Last("two").training_state["scaler"];
  EXPECT_GT(scaler["left_out"], 0);
  EXPECT_LT(scaler["left_out"], 14);
  EXPECT_EQ(Records("two", "train").size(), 14u);
}

TEST_F(RanksTraining, LeaveABatchOutAndGoBackTogether) {
  TrackFormat format;
  format.stems = {"low", "high"};
  format.sample_rate_hz = kRate;
  format.channels = 1;
  format.sample_type = CacheSampleType::kFloat32;
  // The squares of the last one's samples are not finite.
  CacheBuilder builder(folder_ / "cache.h5", format);
  for (int i = 0; i < 8; ++i)
    builder.AddTrack(i < 7 ? "good" + std::to_string(i) : "bad", "train",
                     TwoStems(kRate / 2, 1 + i, i < 7 ? 0.3 : 1e30));
  builder.AddTrack("valid", "valid", TwoStems(kRate / 2, 100));
  builder.Finish();
  ExpectAsOne({"augment=[]", "loss=[{name: mse}]", "train.steps=16", "train.seed=3",
               "checkpoint.every_steps=3", "train.max_bad_batches=1000", "ema.batch=[0.9]"});
  const auto one = Records("one", "bad_batch"), two = Records("two", "bad_batch");
  ASSERT_EQ(one.size(), two.size());
  bool rolled_back = false;
  for (std::size_t i = 0; i < two.size(); ++i) {
    for (const char* key : {"step", "epoch", "batch", "bad_batches", "rolled_back_to"})
      EXPECT_EQ(one[i][key], two[i][key]) << key;
    EXPECT_THAT(two[i]["tracks"], ::testing::UnorderedElementsAreArray(one[i]["tracks"]));
    EXPECT_EQ(two[i]["tracks"].size(), 4u);
    rolled_back |= two[i]["rolled_back_to"].is_number();
  }
  EXPECT_TRUE(rolled_back) << "choose a seed that draws the song twice in a row";
}

}  // namespace
}  // namespace stemsmith::testing::ranks_training
