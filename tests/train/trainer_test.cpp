#include "train/trainer.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "core/files.h"
#include "core/progress_fields.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::MessageOf;
using ::testing::Not;
using Trainer = testing::TrainingTest;

struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};
std::function<void(std::int64_t)> CrashAt(std::int64_t step) {
  return [step](std::int64_t done) {
    if (done == step) throw Crash();
  };
}

TEST_F(Trainer, LearnsToSeparateTwoStems) {
  const TrainResult result =
      RunTraining("run", {"train.steps=80", "validate.every_steps=40", "optimizer.lr=0.01"});
  EXPECT_EQ(result.step, 80);
  const std::vector<double> losses = Losses("run", "train");
  ASSERT_EQ(losses.size(), 80u);
  const auto mean = [&](std::size_t from) {
    double sum = 0;
    for (std::size_t i = from; i < from + 10; ++i) sum += losses[i];
    return sum / 10;
  };
  EXPECT_LT(mean(70), 0.6 * mean(0));
  for (const char* stem : {"low", "high"}) {
    EXPECT_GT(result.best["sdr_db"][stem].get<double>(),
              result.best["mixture_sdr_db"][stem].get<double>() + 3.0)
        << stem;
  }
}

TEST_F(Trainer, WritesTheRunFolder) {
  const TrainResult result =
      RunTraining("run", {"report.songs=2", "report.tensorboard=true", "report.seconds=1"});
  EXPECT_EQ(result.checkpoint, CheckpointPath("run", "best"));
  // What there is to look at costs the training nothing.
  RunTraining("plain");
  ExpectSameCheckpoint(CheckpointPath("run", "last"), CheckpointPath("plain", "last"));
  EXPECT_THAT(ReadFile(folder_ / "run/report.html"), HasSubstr("valid1, high, estimate"));
  EXPECT_TRUE(fs::exists(folder_ / "run/tensorboard"));
  EXPECT_EQ(Losses("run", "validation").size(), 3u);
  EXPECT_FALSE(fs::exists(CheckpointPath("run", "step_000004"))) << "keep: 2";
  EXPECT_TRUE(fs::exists(CheckpointPath("run", "step_000008")));
  EXPECT_TRUE(fs::exists(CheckpointPath("run", "step_000012")));
  // The resolved configuration holds defaults too, and is a configuration itself.
  const Config resolved = Config::Load(folder_ / "run/config.yaml");
  EXPECT_EQ(resolved.Child("validate").Integer("max_segments", -1), 64);
  EXPECT_EQ(resolved.Child("optimizer").Number("weight_decay", -1), 0.01);
}

TEST_F(Trainer, CheckpointGivesTheModelBack) {
  const TrainResult result = RunTraining("run");
  const Checkpoint checkpoint = LoadCheckpoint(result.checkpoint);
  EXPECT_EQ(checkpoint.setting.stems, (std::vector<std::string>{"low", "high"}));
  const auto model = ModelFromCheckpoint(checkpoint);
  EXPECT_EQ(model->length_rule().AtLeast(checkpoint.segment_frames), checkpoint.segment_frames);
  torch::NoGradGuard no_grad;
  const torch::Tensor estimates = model->forward(torch::randn({1, 1, checkpoint.segment_frames}));
  EXPECT_EQ(estimates.sizes(), (std::vector<std::int64_t>{1, 2, 1, checkpoint.segment_frames}));
}

TEST_F(Trainer, LoaderThreadsDoNotChangeTheLosses) {
  RunTraining("one", {"dataset.threads=1"});
  RunTraining("four", {"dataset.threads=4"});
  EXPECT_EQ(Losses("one", "train"), Losses("four", "train"));
  EXPECT_EQ(Losses("one", "validation"), Losses("four", "validation"));
  ExpectSameCheckpoint(CheckpointPath("one", "last"), CheckpointPath("four", "last"));
}

TEST_F(Trainer, SeedChangesTheLosses) {
  RunTraining("a", {"train.steps=2"});
  RunTraining("b", {"train.steps=2", "train.seed=8"});
  EXPECT_NE(Losses("a", "train"), Losses("b", "train"));
}

TEST_F(Trainer, ResumesWithTheSameBits) {
  const std::vector<std::string> settings = {"train.steps=14", "ema.batch=[0.5, 0.9]",
                                             "ema.epoch=[0.8]", "train.log_every_steps=3"};
  RunTraining("whole", settings);
  // Crashes two steps after a checkpoint, and again on the way, in the middle of epochs.
  EXPECT_THROW(RunTraining("parts", settings, false, CrashAt(6)), Crash);
  EXPECT_THROW(RunTraining("parts", settings, true, CrashAt(9)), Crash);
  const TrainResult result = RunTraining("parts", settings, true);
  EXPECT_EQ(result.step, 14);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
  ExpectSameCheckpoint(CheckpointPath("whole", "best"), CheckpointPath("parts", "best"));
  EXPECT_EQ(Losses("whole", "train"), Losses("parts", "train"));
  EXPECT_EQ(Losses("whole", "validation"), Losses("parts", "validation"));
}

TEST_F(Trainer, ResumesBeforeTheFirstPeriodicCheckpoint) {
  RunTraining("whole");
  EXPECT_THROW(RunTraining("parts", {}, false, CrashAt(1)), Crash);
  RunTraining("parts", {}, true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

TEST_F(Trainer, TrainsOnWithMoreSteps) {
  RunTraining("whole", {"schedule.name=constant", "train.steps=10"});
  RunTraining("parts", {"schedule.name=constant", "train.steps=5"});
  RunTraining("parts", {"schedule.name=constant", "train.steps=10"}, true);
  EXPECT_EQ(Losses("whole", "train"), Losses("parts", "train"));
}

TEST_F(Trainer, ResumingAFinishedRunChangesNothing) {
  RunTraining("run");
  const std::string before = ReadFile(folder_ / "run/metrics.jsonl");
  EXPECT_EQ(RunTraining("run", {}, true).step, 12);
  EXPECT_EQ(ReadFile(folder_ / "run/metrics.jsonl"), before);
}

TEST_F(Trainer, FallsBackWhenTheLastCheckpointIsDamaged) {
  RunTraining("whole");
  for (const bool cut : {true, false}) {
    const std::string run = cut ? "cut" : "flipped";
    EXPECT_THROW(RunTraining(run, {}, false, CrashAt(9)), Crash);
    std::string bytes = ReadFile(CheckpointPath(run, "last"));
    if (cut) {
      bytes.resize(bytes.size() / 2);
    } else {
      bytes[bytes.size() - 100] ^= 4;  // in the tensors
    }
    WriteFile(CheckpointPath(run, "last"), bytes);
    heard_.Take();
    RunTraining(run, {}, true);
    EXPECT_THAT(heard_.Take(), HasSubstr("step_000008"));
    ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath(run, "last"));
  }
}

TEST_F(Trainer, GoesOnWhenACheckpointCannotBeWritten) {
  RunTraining("whole");
  // From step 2 to 6 the folder cannot be written, as on a full disk.
  const fs::path checkpoints = folder_ / "run/checkpoints", aside = folder_ / "aside";
  heard_.Take();
  RunTraining("run", {}, false, [&](std::int64_t step) {
    if (step == 2) {
      fs::rename(checkpoints, aside);
      WriteFile(checkpoints, "in the way");
    } else if (step == 6) {
      EXPECT_EQ(LoadCheckpoint(aside / "last.safetensors").training_state["step"], 0);
      fs::remove(checkpoints);
      fs::rename(aside, checkpoints);
    }
  });
  EXPECT_THAT(heard_.Take(), HasSubstr("training continues"));
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("run", "last"));
}

TEST_F(Trainer, RefusesAFolderThatHoldsARun) {
  RunTraining("run", {"train.steps=1"});
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"train.steps=1"}); }), HasSubstr("--resume"));
}

TEST_F(Trainer, RefusesToResumeNothing) {
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {}, true); }), HasSubstr("no checkpoint"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(Trainer, RefusesAnEmptyListOfLosses) {
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"loss=[]"}); }),
              HasSubstr("the list of losses is empty"));
}

TEST_F(Trainer, RefusesToResumeAnotherConfiguration) {
  RunTraining("run", {"train.steps=2"});
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"optimizer.lr=0.1"}, true); }),
              HasSubstr("optimizer.lr: 5e-3 → 0.1"));
  EXPECT_EQ(
      RunTraining("run", {"validate.every_steps=3", "checkpoint.keep=0", "dataset.threads=3"}, true)
          .step,
      12);
}

TEST_F(Trainer, RefusesToResumeWithAnotherCache) {
  RunTraining("run", {"train.steps=2"});
  testing::MakeCache(folder_ / "other.h5", 4);
  EXPECT_THAT(MessageOf([&] {
                RunTraining("run", {"dataset.cache=" + (folder_ / "other.h5").string()}, true);
              }),
              HasSubstr("cache"));
}

TEST_F(Trainer, NamesUnknownKeysWithLineAndNearest) {
  const std::string message = MessageOf([&] { RunTraining("run", {"optimizer.weight_decoy=1"}); });
  EXPECT_THAT(message, HasSubstr("weight_decoy"));
  EXPECT_THAT(message, HasSubstr("weight_decay"));
  EXPECT_FALSE(fs::exists(folder_ / "run")) << "a wrong configuration must leave nothing behind";

  const fs::path cache = testing::MakeCache(folder_ / "cache.h5");
  const fs::path file = folder_ / "typo.yaml";
  WriteFile(file,
            "dataset: {cache: " + cache.string() + "}\nmodel: {name: unet}\ntrian: {steps: 1}\n");
  TrainRequest request;
  request.run = folder_ / "run";
  request.device = "cpu";
  const std::string typo = MessageOf([&] { Train(Config::Load(file), request); });
  EXPECT_THAT(typo, HasSubstr("typo.yaml:3"));
  EXPECT_THAT(typo, HasSubstr("did you mean 'train'"));
}

TEST_F(Trainer, RefusesContradictions) {
  // Both places, and none of what else is set.
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"train.epochs=2", "train.batch_size=3"}); }),
              AllOf(HasSubstr("train.steps and train.epochs contradict each other"),
                    HasSubstr("and --set train.epochs=2)"), Not(HasSubstr("batch_size"))));
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"dataset.segment_seconds=1"}); }),
              HasSubstr("longer than every training song"));
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"train.batch_size=100"}); }),
              HasSubstr("larger than the dataset"));
  EXPECT_THAT(MessageOf([&] {
                RunTraining("run", {"dataset.samples_per_epoch=3", "train.batch_size=4"});
              }),
              HasSubstr("samples_per_epoch"));
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"loss.0.hop=4"}); }), HasSubstr("hop"))
      << "a hop has no meaning for waveforms";
}

TEST_F(Trainer, RoundsTheSegmentToALengthOfTheModel) {
  // The unet takes multiples of 16 · 2² = 64 frames; 0.1 s are 800.
  RunTraining("run", {"train.steps=1"});
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("run", "last")).segment_frames, 768);
  RunTraining("up", {"train.steps=1", "dataset.segment_seconds=0.103"});
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("up", "last")).segment_frames, 832);
  // Rounding up would go beyond the songs' 4000 frames.
  RunTraining("long", {"train.steps=1", "dataset.segment_seconds=0.5", "train.batch_size=2"});
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("long", "last")).segment_frames, 3968);
}

TEST_F(Trainer, CountsEpochs) {
  // 3 songs of 4000 frames in segments of 768: 15 samples, 3 batches of 4.
  const TrainResult result = RunTraining("run", {"train.steps=0", "train.epochs=2"});
  EXPECT_EQ(result.step, 6);
}

TEST_F(Trainer, StopsAfterMaxSeconds) {
  const std::vector<std::string> settings = {"train.steps=1000000", "train.max_seconds=0.3",
                                             "validate.every_steps=0"};
  const TrainResult result = RunTraining("run", settings);
  EXPECT_GT(result.step, 0);
  EXPECT_LT(result.step, 1000000);
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("run", "last")).training_state["step"], result.step);
  // It says why, again where it is resumed in vain, and leaves it in its records.
  const std::string why = "at step " + std::to_string(result.step) +
                          " of 1000000; continue with --resume and a larger train.max_seconds";
  std::string heard = heard_.Take();
  EXPECT_THAT(heard,
              AllOf(HasSubstr("stopped by train.max_seconds (0.3) after 0:0"), HasSubstr(why)));
  EXPECT_EQ(result.end, RunEnd::kMaxSeconds);
  EXPECT_EQ(RunTraining("run", settings, /*resume=*/true).end, RunEnd::kMaxSeconds);
  EXPECT_THAT(heard_.Take(), HasSubstr(why));
  EXPECT_EQ(MetricsLog::Read(folder_ / "run/metrics.jsonl").back()["stopped_by"], "max_seconds");
}

TEST_F(Trainer, SaysWhatEndedIt) {
  EXPECT_EQ(RunTraining("whole", {"train.steps=2", "train.max_seconds=1000"}).end, RunEnd::kSteps);
  EXPECT_THAT(heard_.Take(), Not(HasSubstr("stopped")));
  EXPECT_EQ(MetricsLog::Read(folder_ / "whole/metrics.jsonl").back()["stopped_by"], "steps");
  const TrainResult patience = RunTraining("patience", {"train.steps=40", "validate.every_steps=1",
                                                        "validate.patience=1", "optimizer.lr=0"});
  EXPECT_EQ(patience.end, RunEnd::kPatience);
  EXPECT_LT(patience.step, 40);
}

// Of every update, the time that train.max_seconds leaves.
TEST_F(Trainer, ItsProgressKnowsTheLimitOfTime) {
  struct View : ProgressView {
    explicit View(std::vector<nlohmann::json>& updates) : all(updates) {}
    void Update(std::int64_t, const std::string&, const nlohmann::json& fields) override {
      all.push_back(fields);
    }
    void Message(const std::string&) override {}
    void Finish() override {}
    std::vector<nlohmann::json>& all;
  };
  testing::MakeCache(folder_ / "cache.h5");
  WriteFile(folder_ / "config.yaml", testing::ConfigText(folder_ / "cache.h5"));
  std::vector<nlohmann::json> updates;
  for (const std::string limit : {"500", "0"}) {
    TrainRequest request = Request("run" + limit);
    request.host.progress = [&](const Task&) { return std::make_unique<View>(updates); };
    Train(Config::Load(folder_ / "config.yaml", {"train.steps=2", "train.max_seconds=" + limit}),
          request);
  }
  ASSERT_EQ(updates.size(), 4u);
  EXPECT_GT(updates[1][kMostSecondsLeft], 0.0);
  EXPECT_LT(updates[1][kMostSecondsLeft], updates[0][kMostSecondsLeft]);
  EXPECT_LT(updates[0][kMostSecondsLeft], 500.0);
  EXPECT_FALSE(updates[2].contains(kMostSecondsLeft));
}

TEST_F(Trainer, StopsWhenTheLossIsNoNumber) {
  testing::MakeCache(folder_ / "cache.h5", 1, /*gain=*/1e30);
  const std::string message = MessageOf([&] {
    RunTraining("run", {"augment=[]", "loss.0.name=mse"});
  });
  EXPECT_THAT(message, HasSubstr("step 1"));
  EXPECT_THAT(message, HasSubstr("train0"));
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("run", "last")).training_state["step"], 0);
}

TEST_F(Trainer, OneProcessAtATime) {
  EXPECT_THAT(MessageOf([&] {
                RunTraining("run", {}, false, [&](std::int64_t) { RunTraining("run", {}, true); });
              }),
              HasSubstr("another process"));
}

}  // namespace
}  // namespace stemsmith
