#include "core/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace stemsmith::testing::json_fields_test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

JsonFields Fields(const json& object) {
  return {object, [](const std::string& problem) { return Error::Input(problem, "x.json"); }};
}

TEST(JsonFields, WholeNumbersAreWholeAndInRange) {
  struct Case {
    const char* value;
    const char* problem;
  };
  const Case cases[] = {
      {"2.5", "'n' is 2.5, not a whole number from 1 to 64"},
      {"2.0", "'n' is 2.0, not a whole number"},
      {"true", "'n' is true, not a whole number"},
      {"\"2\"", "'n' is \"2\", not a whole number"},
      {"null", "'n' is null, not"},
      {"[2]", "'n' is a list, not"},
      {"0", "'n' is 0, not a whole number from 1 to 64"},
      {"-3", "'n' is -3, not"},
      {"65", "'n' is 65, not"},
      {"4294967298", "'n' is 4294967298, not"},         // 2, cut off to 32 bits
      {"18446744073709551617", "'n' is 1.8446744073"},  // as JSON a float
      {"1e18", "'n' is 1e+18, not"},
  };
  for (const Case& test : cases) {
    const json object = {{"n", json::parse(test.value)}};
    EXPECT_THAT(MessageOf([&] {
                  Fields(object).Number<int>("n", {1, 64});
                }),
                HasSubstr(test.problem))
        << test.value;
  }
  EXPECT_EQ(Fields(json{{"n", 64}}).Number<int>("n", {1, 64}), 64);
  EXPECT_EQ(Fields(json{{"n", UINT64_MAX}}).Number<std::uint64_t>("n"), UINT64_MAX);
  EXPECT_NE(MessageOf([] {
              const json o = {{"n", UINT64_MAX}};
              Fields(o).Number<std::int64_t>("n");
            }),
            "");
  EXPECT_NE(MessageOf([] {
              const json o = {{"n", -1}};
              Fields(o).Number<std::uint64_t>("n");
            }),
            "");
}

TEST(JsonFields, OtherKindsAndWhatIsMissing) {
  const json object = {{"text", 3}, {"list", {1, "b"}}, {"map", json::array()}, {"on", 1}};
  EXPECT_EQ(ErrorOf([&] { Fields(object).Text("text"); }).problem(), "'text' is 3, not a text");
  EXPECT_EQ(ErrorOf([&] { Fields(object).Texts("list"); }).problem(),
            "'list' is 1, not a list of texts");
  EXPECT_EQ(ErrorOf([&] { Fields(object).Object("map"); }).problem(), "'map' is a list, not a map");
  EXPECT_EQ(ErrorOf([&] { Fields(object).Bool("on"); }).problem(), "'on' is 1, not true or false");
  EXPECT_EQ(ErrorOf([&] { Fields(object).Text("none"); }).problem(), "'none' is missing");
  const json list = json::array();
  EXPECT_THAT(MessageOf([&] { Fields(list); }), HasSubstr("a list where a map is expected"));
}

// Walking such a value would overflow the stack.
TEST(ParseJson, RefusesWhatIsNestedTooDeeply) {
  EXPECT_TRUE(ParseJson("{\"a\": [1, {\"b\": \"]]]\\\"[[\"}]}").is_object());
  EXPECT_TRUE(ParseJson(std::string(60, '[') + std::string(60, ']')).is_array());
  const std::string brackets(2'000'000, '[');
  EXPECT_TRUE(ParseJson(brackets + std::string(2'000'000, ']')).is_discarded());
  std::string maps;
  for (int i = 0; i < 100'000; ++i) maps += "{\"a\":";
  EXPECT_TRUE(ParseJson(maps + "1" + std::string(100'000, '}')).is_discarded());
  EXPECT_TRUE(ParseJson("{\"a\": 1").is_discarded());
  EXPECT_TRUE(ParseJson("").is_discarded());
}

TEST(JsonProblem, SaysWhereAndWhat) {
  EXPECT_EQ(JsonProblem(R"({"a": {"b": 1}, "b": [{"a": 1}, {"a": 2}]})"), "");
  EXPECT_EQ(JsonProblem("{\"a\": 1\n \"b\": 2}"), "line 2, column 4");
  EXPECT_EQ(JsonProblem("stems: vocals"), "line 1, column 1");
  EXPECT_EQ(JsonProblem(""), "line 1, column 1");
  EXPECT_EQ(JsonProblem(R"({"a": {"b": 1, "c": 2, "b": 1}})"), "the key 'b' stands twice");
  EXPECT_EQ(JsonProblem(std::string(100'000, '[')), "it is nested too deeply");
}

}  // namespace
}  // namespace stemsmith::testing::json_fields_test
