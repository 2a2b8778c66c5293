#include "train/train_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"
#include "train/grad_scaler.h"
#include "train/report/metrics_log.h"
#include "train/report/series.h"

namespace stemsmith::testing::train_state_test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TrainState, NumbersThatAreNoneAreRefusedByName) {
  TrainState state;
  state.step = 7;
  state.average_updates = {{"batch_0.99", 7}};
  state.recent_losses = {0.5};
  state.best = {{"step", 5}, {"loss", 0.4}};
  const json good = state.ToJson();
  EXPECT_EQ(TrainState::FromJson(good, "run").ToJson(), good);
  struct Case {
    const char* place;
    const char* value;
    const char* said;
  };
  const Case cases[] = {
      {"/step", "2.5", "'step' is 2.5, not a whole number"},
      {"/step", "-1", "'step' is -1"},
      {"/step", "1e18", "'step' is 1e+18"},
      {"/loader/epoch", "-1", "'epoch' is -1"},
      {"/loader/batch", "true", "'batch' is true"},
      {"/seconds", "\"long\"", "'seconds' is \"long\", not a number"},
      {"/seconds", "-3", "'seconds' is -3"},
      {"/average_updates/batch_0.99", "0.5", "'batch_0.99' is 0.5"},
      {"/recent_losses", "[null]", "'recent_losses' is null"},
      {"/best", "{\"loss\": 1}", "'step' is missing"},
      {"/best", "3", "'best' is 3, not a map"},
      {"/threads", "4294967297", "'threads' is 4294967297"},
      {"/ranks", "0", "'ranks' is 0"},
      {"/device", "1", "'device' is 1, not a text"},
  };
  for (const Case& test : cases) {
    json bad = good;
    bad[json::json_pointer(test.place)] = json::parse(test.value);
    EXPECT_THAT(
        MessageOf([&] { TrainState::FromJson(bad, "run"); }),
        AllOf(HasSubstr(test.said), HasSubstr("training state is damaged"), HasSubstr("run")))
        << test.place;
  }
}

TEST(GradScaler, RefusesAStateThatIsNone) {
  for (const char* text : {"null", "[]", R"({"scale":0,"good_steps":0,"left_out":0})",
                           R"({"scale":1024,"good_steps":0.5,"left_out":0})",
                           R"({"scale":1024,"good_steps":0,"left_out":-1})",
                           R"({"scale":"big","good_steps":0,"left_out":0})"}) {
    GradScaler scaler;
    EXPECT_THAT(MessageOf([&] { scaler.Load(json::parse(text)); }), HasSubstr("loss scaling"))
        << text;
  }
}

// A file that other programs may have written into.
TEST(MetricsLog, PassesOverWhatIsNoRecord) {
  TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  std::ofstream out(path);
  for (const char* line :
       {R"({"step":1,"event":"train","loss":0.5})", R"({"step":1e99,"event":"train"})",
        R"({"step":2.5,"event":"train"})", R"({"step":true,"event":"train"})",
        R"({"step":2,"event":7})", R"({"step":2,"event":"start","total_steps":"many"})",
        R"({"step":2,"event":"end","signal":[]})", R"({"step":2,"event":"end","seconds":"x"})",
        R"({"step":2,"event":"start","device":1})", "[]", "nonsense", ""})
    out << line << '\n';
  out << std::string(100'000, '[') << '\n' << R"({"step":3,"event":"train","loss":0.25})" << '\n';
  out.close();
  const std::vector<json> records = MetricsLog::Read(path);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1]["step"], 3);
}

// Each name is a column as long as there are records.
TEST(RunHistory, RecordsThatAllNameOthersTakeBoundedMemory) {
  std::vector<json> records;
  for (int i = 0; i < 5000; ++i)
    records.push_back(
        {{"step", i}, {"event", "train"}, {std::string("x").append(std::to_string(i)), 1.0}});
  EXPECT_LE(MakeHistory(records).events.at("train").columns.size(), 1024u);
}

}  // namespace
}  // namespace stemsmith::testing::train_state_test
