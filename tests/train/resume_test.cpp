// Going on with a run that is not, or not quite, the one that was started.
#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"
#include "train/run_folder.h"
#include "train/train_state.h"

namespace stemsmith::resume_test {

using ::testing::HasSubstr;
using testing::MessageOf;

class Resume : public testing::TrainingTest {
 protected:
  TrainResult GoOn(const std::string& run, const std::vector<std::string>& settings) {
    accept_changes_ = true;
    return RunTraining(run, settings, true);
  }
  // Rewrites the last checkpoint of a run.
  void Change(const std::string& run, const std::function<void(Checkpoint&)>& action) {
    Checkpoint checkpoint = LoadCheckpoint(CheckpointPath(run, "last"));
    action(checkpoint);
    RunFolder(folder_ / run).SaveLast(checkpoint);
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / run / "checkpoints"))
      if (entry.path().filename() != "last.safetensors") std::filesystem::remove(entry);
  }
  // As version 1 wrote it, with one average of the decay, or none (0).
  static void MakeVersion1(Checkpoint& checkpoint, const std::string& decay) {
    nlohmann::json& state = checkpoint.training_state;
    for (const char* key : {"validations_since_best", "average_updates", "recent_losses",
                            "bad_batches", "bad_in_row"})
      state.erase(key);
    state["version"] = 1;
    YAML::Node config = YAML::Load(state["config"].get<std::string>());
    config.remove("ema");
    for (const char* key : {"max_bad_batches", "explosion_factor"}) config["train"].remove(key);
    config["validate"].remove("patience");
    config["train"]["ema_decay"] = decay;
    YAML::Emitter text;
    text << config;
    state["config"] = text.c_str();
    const std::string prefix = "average.batch_" + decay + ".";
    NamedTensors averages, training;
    for (auto& [name, tensor] : checkpoint.training) {
      const bool average = name.starts_with(prefix);
      (average ? averages : training)
          .emplace_back(average ? name.substr(prefix.size()) : name, tensor);
    }
    if (!averages.empty()) {
      for (auto& [name, tensor] : checkpoint.weights) training.emplace_back("raw." + name, tensor);
      checkpoint.weights = averages;
    }
    checkpoint.training = training;
  }
};

TEST_F(Resume, SaysWhatChangedAndAsksForOverride) {
  RunTraining("run", {"train.steps=2"});
  const std::string message = MessageOf([&] {
    RunTraining("run", {"optimizer.lr=0.1", "loss.1.weight=0.2", "train.accumulate=2"}, true);
  });
  for (const char* text : {"optimizer.lr: 5e-3 → 0.1", "loss.1.weight: 0.1 → 0.2",
                           "train.accumulate: 1 → 2", "--accept-changes"})
    EXPECT_THAT(message, HasSubstr(text));
}

TEST_F(Resume, OverrideTakesTheNewConfiguration) {
  RunTraining("run", {"train.steps=4", "schedule.name=constant"});
  const TrainResult result = GoOn("run", {"optimizer.lr=0.1", "schedule.name=constant"});
  EXPECT_EQ(result.step, 12);
  const auto records = MetricsLog::Read(folder_ / "run/metrics.jsonl");
  EXPECT_EQ(records.back()["step"], 12);
  for (const auto& record : records) {
    if (record["event"] == "train" && record["step"] > 4) {
      EXPECT_EQ(record["learning_rate"], 0.1);
    }
  }
  EXPECT_EQ(Config::Load(folder_ / "run/config.yaml").Child("optimizer").Number("lr", 0), 0.1);
  // From then on it is the run's configuration.
  accept_changes_ = false;
  EXPECT_EQ(RunTraining("run", {"optimizer.lr=0.1", "schedule.name=constant"}, true).step, 12);
}

TEST_F(Resume, OverrideBeginsWhatDoesNotFitAnew) {
  RunTraining("optimizer", {"train.steps=4"});
  EXPECT_EQ(GoOn("optimizer", {"optimizer.name=sgd", "optimizer.lr=0.01"}).step, 12);
  for (const auto& [name, tensor] : LoadCheckpoint(CheckpointPath("optimizer", "last")).training)
    EXPECT_FALSE(name.starts_with("optimizer.exp_avg")) << name;

  accept_changes_ = false;
  RunTraining("batches", {"train.steps=5"});  // in mid-epoch
  EXPECT_EQ(GoOn("batches", {"train.batch_size=6", "dataset.segment_seconds=0.2"}).step, 12);

  accept_changes_ = false;
  RunTraining("average", {"train.steps=4"});
  EXPECT_EQ(GoOn("average", {"ema.batch=[0.9]"}).step, 12);
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("average", "last"))
                .training_state["average_updates"]["batch_0.9"],
            8);
}

TEST_F(Resume, OverrideTakesACacheOfTheSameStems) {
  RunTraining("run", {"train.steps=2"});
  testing::MakeCache(folder_ / "other.h5", 4);
  const std::string other = "dataset.cache=" + (folder_ / "other.h5").string();
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {other}, true); }), HasSubstr("--accept-changes"));
  EXPECT_EQ(GoOn("run", {other}).step, 12);

  TrackFormat format;
  format.stems = {"high", "low"};
  format.sample_rate_hz = testing::kRate;
  format.channels = 1;
  CacheBuilder builder(folder_ / "swapped.h5", format);
  builder.AddTrack("song", "train", testing::TwoStems(16000, 1));
  builder.Finish();
  EXPECT_THAT(
      MessageOf([&] { GoOn("run", {"dataset.cache=" + (folder_ / "swapped.h5").string()}); }),
      HasSubstr("the run was started with low, high"));
}

TEST_F(Resume, RefusesARunOfAnotherModel) {
  RunTraining("run", {"train.steps=2"});
  for (const bool accept : {false, true}) {
    accept_changes_ = accept;
    const std::string message = MessageOf(
        [&] { RunTraining("run", {"model={name: demucs_v2, channels: 4, depth: 2}"}, true); });
    EXPECT_THAT(message, HasSubstr("a run of the model 'unet', not of 'demucs_v2'"));
    EXPECT_THAT(message, HasSubstr("another --run"));
  }
}

TEST_F(Resume, WeightsThatDoNotFitAreAnError) {
  RunTraining("run", {"train.steps=2"});
  EXPECT_THAT(MessageOf([&] { GoOn("run", {"model.channels=6"}); }), HasSubstr("do not fit"));
}

TEST_F(Resume, TakesRunsOfVersion1) {
  const auto crash = [](std::int64_t step) {
    if (step == 6) throw std::runtime_error("crash");
  };
  for (const std::string decay : {"0", "0.9"}) {
    const std::vector<std::string> settings = {decay == "0" ? "ema.batch=[]" : "ema.batch=[0.9]"};
    RunTraining("whole" + decay, settings);
    EXPECT_THROW(RunTraining("old" + decay, settings, false, crash), std::runtime_error);
    Change("old" + decay, [&](Checkpoint& checkpoint) { MakeVersion1(checkpoint, decay); });
    RunTraining("old" + decay, settings, true);
    const Checkpoint whole = LoadCheckpoint(CheckpointPath("whole" + decay, "last")),
                     old = LoadCheckpoint(CheckpointPath("old" + decay, "last"));
    ASSERT_EQ(whole.training.size(), old.training.size());
    for (const auto part : {&Checkpoint::weights, &Checkpoint::training}) {
      for (std::size_t i = 0; i < (whole.*part).size(); ++i)
        EXPECT_TRUE(torch::equal((whole.*part)[i].second, (old.*part)[i].second))
            << (whole.*part)[i].first;
    }
    EXPECT_EQ(old.training_state["version"], TrainState::kVersion);
  }
}

// Before files had a checksum the training state held one of the tensors.
TEST_F(Resume, TakesCheckpointsWithoutAChecksum) {
  RunTraining("whole");
  EXPECT_THROW(RunTraining("old", {}, false,
                           [](std::int64_t step) {
                             if (step == 9) throw std::runtime_error("crash");
                           }),
               std::runtime_error);
  Change("old", [](Checkpoint& c) { c.training_state["tensor_hash"] = "0123456789abcdef"; });
  std::string bytes = ReadFile(CheckpointPath("old", "last"));
  const std::string entry = R"("stemsmith.checksum": "xxh3:0123456789abcdef",)";
  bytes.replace(bytes.find(R"("stemsmith.checksum)"), entry.size(), entry.size(), ' ');
  WriteFile(CheckpointPath("old", "last"), bytes);
  heard_.Take();
  RunTraining("old", {}, true);
  EXPECT_THAT(heard_.Take(), HasSubstr("carries no checksum"));
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("old", "last"));
}

TEST_F(Resume, RefusesVersionsItDoesNotKnow) {
  RunTraining("run", {"train.steps=2"});
  Change("run", [](Checkpoint& c) { c.training_state["version"] = TrainState::kVersion + 1; });
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {}, true); }), HasSubstr("newer stemsmith"));
  Change("run", [](Checkpoint& c) { c.training_state["version"] = 0; });
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {}, true); }), HasSubstr("too old"));
  Change("run", [](Checkpoint& c) { c.training_state.erase("version"); });
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {}, true); }), HasSubstr("damaged"));
}

TEST_F(Resume, WritesTheCopyThatAKillPrevented) {
  EXPECT_THROW(RunTraining("run", {}, false,
                           [&](std::int64_t step) {
                             if (step == 8) throw std::runtime_error("crash");
                           }),
               std::runtime_error);
  std::filesystem::remove(CheckpointPath("run", "step_000008"));
  EXPECT_THROW(
      RunTraining("run", {}, true, [&](std::int64_t) { throw std::runtime_error("crash"); }),
      std::runtime_error);
  ExpectSameCheckpoint(CheckpointPath("run", "last"), CheckpointPath("run", "step_000008"));
}

}  // namespace stemsmith::resume_test
