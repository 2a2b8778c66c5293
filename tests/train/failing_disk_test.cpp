// Training when its results cannot be written: it goes on, and ends with an error that names what
// is on the disk. A limit of file sizes stands for a full disk.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>

#include <iostream>

#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"
#include "train/report/event_file.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::MessageOf;
using ::testing::Not;

void LimitFiles(rlim_t bytes) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = bytes;
  setrlimit(RLIMIT_FSIZE, &limit);
  std::cerr.clear();
}

class FailingDisk : public testing::TrainingTest {
 protected:
  ~FailingDisk() override { LimitFiles(RLIM_INFINITY); }
  // A training with the disk full after step `from`, until after step `to`.
  void TrainFull(const std::string& run, int from, int to) {
    result_ = RunTraining(run, {}, false, [=](std::int64_t step) {
      if (step == from) LimitFiles(500);
      if (step == to) LimitFiles(RLIM_INFINITY);
    });
  }
  // The error of one whose disk stays full.
  std::string ErrorOfFull(const std::string& run, int from) {
    const std::string error = MessageOf([&] { TrainFull(run, from, -1); });
    LimitFiles(RLIM_INFINITY);
    return error;
  }
  std::int64_t StepIn(const std::string& run, const std::string& name) {
    return LoadCheckpoint(CheckpointPath(run, name)).training_state["step"].get<std::int64_t>();
  }
  TrainResult result_;
};

TEST_F(FailingDisk, ToTheEndIsAnErrorThatNamesWhatIsThere) {
  const std::string error = ErrorOfFull("run", 5);
  EXPECT_THAT(error, HasSubstr("the last checkpoint is not saved"));
  EXPECT_THAT(error, HasSubstr("File too large"));
  EXPECT_THAT(error, HasSubstr("last.safetensors of step 4"));
  EXPECT_THAT(error, HasSubstr("best.safetensors of step 4"));
  EXPECT_EQ(StepIn("run", "last"), 4);
  EXPECT_EQ(StepIn("run", "best"), 4);
  // Nothing is lost but time.
  RunTraining("run", {}, /*resume=*/true);
  RunTraining("whole");
  ExpectSameCheckpoint(CheckpointPath("run", "last"), CheckpointPath("whole", "last"));
  ExpectSameCheckpoint(CheckpointPath("run", "best"), CheckpointPath("whole", "best"));
}

TEST_F(FailingDisk, ForAWhileCostsNothing) {
  EXPECT_NO_THROW(TrainFull("run", 5, 9));
  EXPECT_EQ(StepIn("run", "last"), 12);
  EXPECT_EQ(result_.best["step"], StepIn("run", "best"));
}

TEST_F(FailingDisk, FromTheFirstValidationOnNamesNoBest) {
  const std::string error = ErrorOfFull("run", 1);
  EXPECT_THAT(error, HasSubstr("on the disk are last.safetensors of step 0"));
  EXPECT_THAT(error, Not(HasSubstr("best.safetensors of")));
  EXPECT_FALSE(fs::exists(CheckpointPath("run", "best")));
  EXPECT_EQ(StepIn("run", "last"), 0);
}

TEST_F(FailingDisk, ThatLosesTheBestWeightsAloneIsAnErrorToo) {
  const std::string error = MessageOf([&] {
    RunTraining("run", {"train.steps=8"}, false, [&](std::int64_t step) {
      if (step != 7) return;
      fs::remove(CheckpointPath("run", "best"));
      fs::create_directory(CheckpointPath("run", "best"));
    });
  });
  EXPECT_THAT(error, HasSubstr("the best weights are not saved: a folder is in the way"));
  EXPECT_EQ(StepIn("run", "last"), 8);
}

TEST_F(FailingDisk, WithoutTheRunFolderNothingOfItComesBack) {
  const fs::path run = folder_ / "run";
  const auto without = [&](const std::vector<std::string>& settings, const auto& action) {
    const std::string error = MessageOf([&] {
      RunTraining("run", settings, false, [&](std::int64_t step) {
        if (step == 5) action();
      });
    });
    EXPECT_THAT(error, HasSubstr("the run folder was deleted or moved"));
    EXPECT_FALSE(fs::exists(run));
  };
  const auto removed = [&] { fs::remove_all(run); };
  // Noticed by the record, the validation, the checkpoint and the end.
  without({"train.log_every_steps=1"}, removed);
  without({"train.log_every_steps=1000", "checkpoint.every_steps=0"}, removed);
  without({"train.log_every_steps=1000", "validate.every_steps=0"}, removed);
  without({"train.log_every_steps=1000", "validate.every_steps=0", "checkpoint.every_steps=0"},
          removed);
  without({"report.tensorboard=true"}, [&] { fs::rename(run, folder_ / "moved"); });
}

TEST_F(FailingDisk, LeavesRecordsThatCanBeRead) {
  const fs::path metrics = folder_ / "metrics.jsonl", events = folder_ / "events";
  MetricsLog log(metrics, -1);
  EventFile board(events, -1);
  const auto append = [&](int step) {
    log.Append({{"event", "train"}, {"step", step}, {"text", std::string(100, 'x')}});
    board.AddScalars(step, {{std::string(100, 'x') + std::to_string(step), 1.0}});
  };
  append(1);
  LimitFiles(250);  // in the middle of the second
  append(2);
  LimitFiles(RLIM_INFINITY);
  append(3);
  const auto records = MetricsLog::Read(metrics);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1]["step"], 3);
  // Going on keeps what is whole, up to the first damage.
  const fs::path file = fs::directory_iterator(events)->path();
  EventFile again(events, 9);
  EXPECT_THAT(ReadFile(file), HasSubstr("xxx3"));
  EXPECT_THAT(ReadFile(file), Not(HasSubstr("xxx2")));
}

}  // namespace
}  // namespace stemsmith
