// The bar of progress: what stays where the terminal is narrow.
#include "apps/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace stemsmith
