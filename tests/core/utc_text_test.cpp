#include "core/utc_text.h"

#include <gtest/gtest.h>

namespace stemsmith {
namespace {

TEST(UtcText, IsUtcInTheFormatAskedFor) {
  const std::time_t when = 951'782'399;  // date -u -d @951782399
  EXPECT_EQ(UtcText("%Y-%m-%d", when), "2000-02-28");
  EXPECT_EQ(UtcText("%Y-%m-%d %H:%M UTC", when), "2000-02-28 23:59 UTC");
  EXPECT_GE(UtcText("%Y-%m-%d"), "2026");
}

}  // namespace
}  // namespace stemsmith
