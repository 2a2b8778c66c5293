// What `stemsmith watch` says of a run.
#include "train/report/status.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>

#include "core/files.h"
#include "core/option.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::status_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRecords[] = R"({"event":"start","step":0,"total_steps":100,"steps_per_epoch":10}
{"event":"train","step":10,"loss":0.5,"learning_rate":0.001,"seconds":10.0,"epoch":1}
{"event":"train","step":20,"loss":0.25,"learning_rate":0.001,"seconds":20.0,"epoch":2}
{"event":"validation","step":20,"loss":0.3,"mean_sdr_db":4.0,"sdr_db":{"drums":5.5,"vocals":null},"mixture_sdr_db":{"drums":-1.5,"vocals":null},"best":true}
)";

TEST(Sparkline, GoesFromTheLowestToTheHighest) {
  EXPECT_EQ(Sparkline({0, 1, 2, 3, 4, 5, 6, 7}), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline({2, NAN, 1}), "█ ▁");
  EXPECT_EQ(Sparkline({3, 3}), "▁▁");
  EXPECT_EQ(Sparkline({}), "");
}

TEST(RunStatus, ARunWithoutItsEndIsBrokenOff) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "run/metrics.jsonl", kRecords);
  const RunStatus status = ReadStatus(folder / "run");
  EXPECT_EQ(status.state, RunState::kBrokenOff);
  const std::string text = StatusText(status, 100);
  EXPECT_THAT(text, HasSubstr("run: broken off, step 20 of 100 (20 %), 0:20\n"));
  EXPECT_THAT(text, HasSubstr("train loss"));
  EXPECT_THAT(text, HasSubstr("█▁"));
  EXPECT_THAT(text, HasSubstr("drums       -1.50  5.50  +7.00    5.50"));
  EXPECT_THAT(text, HasSubstr("kept: the checkpoint of step 20"));
  EXPECT_THAT(text, Not(HasSubstr("vocals")));  // no figure yet
  EXPECT_THAT(text, Not(HasSubstr("epoch")));
  const nlohmann::json json = StatusJson(status);
  EXPECT_EQ(json["state"], "broken off");
  EXPECT_EQ(json["latest"]["train"]["loss"], 0.25);
  EXPECT_EQ(json["latest"]["validation"]["sdr_db/drums"], 5.5);
  EXPECT_FALSE(json["latest"]["validation"].contains("sdr_db/vocals"));
}

TEST(RunStatus, TheEndSaysHowItEnded) {
  const testing::TemporaryFolder folder;
  const std::string end = R"({"event":"end","step":20,"seconds":21,"signal":)";
  WriteFileAtomically(folder / "metrics.jsonl", kRecords + end + "0}\n");
  EXPECT_EQ(ReadStatus(folder.path()).state, RunState::kFinished);
  WriteFileAtomically(folder / "metrics.jsonl", kRecords + end + "15}\n");
  EXPECT_EQ(ReadStatus(folder.path()).state, RunState::kInterrupted);
  // Resumed, and killed after a while.
  WriteFileAtomically(
      folder / "metrics.jsonl",
      kRecords + end + "15}\n" + R"({"event":"train","step":30,"loss":0.2})" + "\n");
  EXPECT_EQ(ReadStatus(folder.path()).state, RunState::kBrokenOff);
}

TEST(RunStatus, AKeyThatEndedItEarlyIsNamed) {
  const testing::TemporaryFolder folder;
  const auto write = [&](const std::string& by) {
    WriteFileAtomically(folder / "run/metrics.jsonl",
                        std::string(kRecords) +
                            R"({"event":"end","step":20,"seconds":21,"signal":0,)" +
                            "\"stopped_by\":\"" + by + "\"}\n");
    return ReadStatus(folder / "run");
  };
  const RunStatus status = write("max_seconds");
  EXPECT_THAT(
      ShowOptions(StatusText(status, 100), OptionStyle::kFlag),
      ::testing::StartsWith("run: stopped by train.max_seconds, step 20 of 100 (20 %), 0:21\n"
                            "continue with --resume and a larger train.max_seconds\n"));
  EXPECT_EQ(StatusJson(status)["state"], "finished");
  EXPECT_EQ(StatusJson(status)["stopped_by"], "max_seconds");
  EXPECT_THAT(StatusText(write("patience"), 100), HasSubstr("stopped by validate.patience, step"));
  EXPECT_THAT(StatusText(write("steps"), 100), HasSubstr("run: finished, step"));
  EXPECT_EQ(StatusJson(write("unheard of"))["stopped_by"], nullptr);
}

TEST(RunStatus, WhileItIsLockedItRunsAndTimeIsLeft) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "metrics.jsonl", kRecords);
  const int lock = open(folder.path().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(flock(lock, LOCK_EX | LOCK_NB), 0);
  RunStatus status = ReadStatus(folder.path());
  EXPECT_EQ(status.state, RunState::kRunning);
  EXPECT_NEAR(status.seconds_left, 80.0, 1e-9);  // a step a second
  WriteFileAtomically(folder / "config.yaml", "train: {max_seconds: 50}\n");
  EXPECT_NEAR(ReadStatus(folder.path()).seconds_left, 30.0, 1e-9);
  close(lock);
}

TEST(RunStatus, OfAFolderWithoutARunIsAnError) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(testing::MessageOf([&] { ReadStatus(folder.path()); }),
              HasSubstr("there is no training run here"));
  WriteFileAtomically(folder / "metrics.jsonl", "");
  EXPECT_THAT(StatusText(ReadStatus(folder.path()), 80), HasSubstr("nothing is recorded yet"));
}

TEST(RunStatus, ARecordIsALine) {
  EXPECT_EQ(
      RecordLine(
          {{"event", "train"}, {"step", 5}, {"loss", 0.5}, {"epoch", 1}, {"data_wait", 0.01}}),
      "step 5, train: data wait 0.01, loss 0.5");
  EXPECT_EQ(RecordLine({{"event", "end"}, {"step", 5}}), "step 5: end");
}

TEST(RunHistory, WhatIsSaidAgainReplacesWhatWasSaid) {
  const auto record = [](int step, double loss) {
    return nlohmann::json{{"event", "train"}, {"step", step}, {"loss", loss}};
  };
  const RunHistory history =
      MakeHistory({record(1, 1), record(2, 2), record(3, 9), record(2, 3), record(3, 4)});
  const EventTable& table = history.events.at("train");
  EXPECT_EQ(table.step, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(table.columns.at("loss"), (std::vector<double>{1, 3, 4}));
}

TEST(Thinned, DrawsNeighboursTogether) {
  EventTable table;
  table.step = {1, 2, 3, 4, 5};
  table.columns["y"] = {1, 3, NAN, 4, 9};
  const EventTable thin = Thinned(table, 3);
  EXPECT_EQ(thin.step, (std::vector<double>{2, 4, 5}));
  EXPECT_EQ(thin.columns.at("y"), (std::vector<double>{2, 4, 9}));
}

// Of other stems and steps than the newest: the columns are those of single checkpoints.
TEST(RunStatus, ShowsTheKeptCheckpointAndTheModelsOrder) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "metrics.jsonl",
                      R"({"event":"start","step":0,"total_steps":25,"stems":["vocals","bass"]}
{"event":"validation","step":10,"loss":0.1,"sdr_db":{"vocals":9.0,"bass":1.0},"best":false}
{"event":"validation","step":20,"loss":0.1,"sdr_db":{"vocals":5.0,"bass":6.0},"best":true}
{"event":"validation","step":25,"loss":0.1,"sdr_db":{"vocals":3.0,"bass":7.0},"best":false}
)");
  const RunStatus status = ReadStatus(folder.path());
  EXPECT_EQ(KeptFigure(status.history, "sdr_db/bass"), 6.0);
  EXPECT_TRUE(std::isnan(KeptFigure(status.history, "sdr_db/drums")));
  EXPECT_EQ(StemsOf(status.history, status.history.events.at("validation"), "sdr_db"),
            (std::vector<std::string>{"vocals", "bass"}));
  const std::string text = StatusText(status, 100);
  EXPECT_THAT(text, HasSubstr("SDR (dB)  mixture  kept  gain  newest\n"
                              "vocals          –  5.00     –    3.00"));
  EXPECT_LT(text.find("vocals"), text.find("bass"));
  EXPECT_THAT(text, Not(HasSubstr("9.00")));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(StatusText(status, 100, /*colours=*/true), HasSubstr("\033[38;2;244;143;182m"));
}

TEST(RunHistory, TheLastStepIsThatOfWhateverCameLast) {
  EXPECT_EQ(
      MakeHistory({{{"event", "start"}, {"step", 0}}, {{"event", "end"}, {"step", 3}}}).LastStep(),
      3.0);
}

}  // namespace
}  // namespace stemsmith::status_test
