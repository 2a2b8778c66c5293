#include "core/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separate/manifest.h"
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

json TinyManifest() {
  Manifest manifest;
  manifest.model_name = "m";
  manifest.stems = {"a", "b"};
  manifest.segment_frames = 100;
  return manifest.ToJson();
}

TEST(Manifest, NumbersThatAreNoneAreRefusedByName) {
  const auto read = [](const std::string& key, const std::string& value) {
    json object = TinyManifest();
    object[json::json_pointer(key)] = json::parse(value);
    Manifest::FromJson(object.dump(), "m.onnx");
  };
  const auto problem = [&](const std::string& key, const std::string& value) {
    return MessageOf([&] { read(key, value); });
  };
  EXPECT_NO_THROW(read("/channels", "2"));
  EXPECT_THAT(problem("/channels", "2.5"), HasSubstr("'channels' is 2.5, not a whole number"));
  EXPECT_THAT(problem("/channels", "true"), HasSubstr("'channels' is true"));
  EXPECT_THAT(problem("/channels", "4294967298"), HasSubstr("'channels' is 4294967298"));
  EXPECT_THAT(problem("/sample_rate_hz", "44100.5"), HasSubstr("'sample_rate_hz' is 44100.5"));
  EXPECT_THAT(problem("/segment_frames", "1e18"), HasSubstr("'segment_frames' is 1e+18"));
  EXPECT_THAT(problem("/length/multiple_frames", "0"), HasSubstr("'multiple_frames' is 0"));
  EXPECT_THAT(problem("/length/dynamic", "1"), HasSubstr("'dynamic' is 1"));
  EXPECT_THAT(problem("/overlap", "1.5"), HasSubstr("'overlap' is 1.5"));
  EXPECT_THAT(problem("/overlap", "1"), HasSubstr("the overlap"));
  EXPECT_THAT(problem("/version", "1.5"), HasSubstr("'version' is 1.5"));
  EXPECT_THAT(problem("/stems", "[\"a\", \"a\"]"), HasSubstr("stands twice"));
}

// Two numbers that are each in range ask for 8 TiB together.
TEST(Manifest, ASegmentBeyondAllMemoryIsRefused) {
  json object = TinyManifest();
  object["segment_frames"] = std::int64_t{1} << 31;
  EXPECT_THAT(MessageOf([&] { Manifest::FromJson(object.dump(), "m"); }), HasSubstr("8 GiB"));
  object["segment_frames"] = 44100 * 600;
  EXPECT_NO_THROW(Manifest::FromJson(object.dump(), "m"));
  for (int i = 0; i < 1000; ++i) object["stems"].push_back("stem" + std::to_string(i));
  EXPECT_THAT(MessageOf([&] { Manifest::FromJson(object.dump(), "m"); }),
              HasSubstr("of 1002 stems takes more than 8 GiB"));
}

}  // namespace
}  // namespace stemsmith::testing::json_fields_test
