#include "core/json_text.h"

#include <gtest/gtest.h>

namespace stemsmith {
namespace {

TEST(JsonText, HasAsManyDigitsAsPeopleRead) {
  const nlohmann::json training = {
      {"best",
       {{"loss", 0.02122647863434395},
        {"sdr_db", {{"bass", -3.2842121046718105}, {"hat", nullptr}}}}},
      {"seconds", 28801.568445373},
      {"step", 1234567}};
  EXPECT_EQ(JsonText(training),
            "best (loss 0.02123, sdr_db (bass -3.284, hat –)), seconds 28802, step 1234567");
  EXPECT_EQ(JsonText({{"libtorch", "2.11.0"}, {"ok", true}, {"list", {1, 2.5}}}),
            "libtorch 2.11.0, list (1, 2.5), ok true");
}

}  // namespace
}  // namespace stemsmith
