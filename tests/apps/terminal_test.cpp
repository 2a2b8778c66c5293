// The bar of progress: what stays where the terminal is narrow.
#include "apps/terminal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/progress_fields.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kStatus = "train 12345/200000 steps  1:12:30 left";
const std::string kDetail = "loss 0.01234, 135.1 samples/s, lr 1.00e-03, data wait 3 %, 512.0 MiB";

TEST(BarLine, OnEightyColumnsShowsLossSpeedAndTimeLeft) {
  const std::string line = BarLine(0.06, kStatus, kDetail, 79);
  EXPECT_LE(line.size(), 79u);
  for (const char* part : {"1:12:30 left", "loss 0.01234", "135.1 samples/s"})
    EXPECT_THAT(line, HasSubstr(part));
  EXPECT_THAT(line, Not(HasSubstr("lr")));
  // A shorter one keeps what fits, whole.
  const std::string short_line =
      BarLine(0.5, "train 5/10 steps", "loss 0.1, 5.0 samples/s, lr 1", 79);
  EXPECT_THAT(short_line, HasSubstr("50% [========        ] train 5/10 steps  loss 0.1, 5.0"));
  EXPECT_THAT(short_line, HasSubstr(", lr 1"));
}

TEST(BarLine, OnWideTerminalsShowsAll) {
  EXPECT_THAT(BarLine(0.06, kStatus, kDetail, 200), HasSubstr(kDetail));
  EXPECT_THAT(BarLine(-1, "song", "", 80), ::testing::StrEq("song"));
}

TEST(BarLine, CutsBetweenLetters) {
  const std::string line = BarLine(-1, "ééééé", "3.1 × real time", 8);
  EXPECT_EQ(line, "ééééé  3");
  EXPECT_EQ(BarLine(-1, "ééééé", "", 3), "ééé");
}

// What a bar draws on a terminal in the place of stderr.
std::string Drawn(const nlohmann::json& fields) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_EQ(grantpt(terminal), 0);
  EXPECT_EQ(unlockpt(terminal), 0);
  const int end = open(ptsname(terminal), O_RDWR | O_NOCTTY), before = dup(STDERR_FILENO);
  dup2(end, STDERR_FILENO);
  {
    Progress progress(TerminalHost(OutputMode::kAuto), {"train", 1'000'000, "steps"});
    progress.Update(1, "", fields);
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.Update(2, "", fields);
  }
  dup2(before, STDERR_FILENO);
  char text[4096];
  const ssize_t size = read(terminal, text, sizeof text);
  for (const int file : {terminal, end, before}) close(file);
  return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(0, size)));
}

TEST(Bar, LeavesNoMoreTimeThanTheWorkMayTake) {
  EXPECT_THAT(Drawn(nullptr), HasSubstr("train 2/1000000 steps  "));
  EXPECT_THAT(Drawn(nullptr), Not(HasSubstr(" 0:09 left")));
  EXPECT_THAT(Drawn({{kMostSecondsLeft, 9.0}}), HasSubstr("train 2/1000000 steps  0:09 left"));
}

}  // namespace
}  // namespace stemsmith
