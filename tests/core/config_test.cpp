#include "core/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kWrongUse);
    return error.what();
  }
  return "no error";
}

TEST(Config, GivesValuesAndDocumentedDefaults) {
  const Config config =
      Config::Parse("a: 3\nb: 0.5\nc: text\nd: true\ne: [1, 2]\nf: [x, y]\n", "t.yaml");
  EXPECT_EQ(config.Integer("a", 0), 3);
  EXPECT_EQ(config.Number("b", 0), 0.5);
  EXPECT_EQ(config.String("c", ""), "text");
  EXPECT_TRUE(config.Bool("d", false));
  EXPECT_EQ(config.Numbers("e"), (std::vector<double>{1, 2}));
  EXPECT_EQ(config.Strings("f"), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(config.Integer("missing", 7), 7);
  EXPECT_EQ(config.Child("nothing").Number("deep", 1.5), 1.5);
  const Config fallback = Config::Parse("{name: unet}", "elsewhere.yaml");
  EXPECT_EQ(config.Child("absent", fallback).String("name", ""), "unet");
  EXPECT_EQ(config.Child("absent").String("name", ""), "unet");
  EXPECT_EQ(Config::Parse(config.Dump(), "d").Child("absent").String("name", ""), "unet");
  config.CheckAllRead();
}

TEST(Config, NamesLineAndNearestNameOfAnUnknownKey) {
  const Config config = Config::Parse("train:\n  steps: 10\n  batch_sise: 4\n", "run.yaml");
  const Config train = config.Child("train");
  train.Integer("steps", 0);
  train.Integer("batch_size", 8);
  const std::string message = ErrorOf([&] { config.CheckAllRead(); });
  EXPECT_THAT(message, HasSubstr("batch_sise"));
  EXPECT_THAT(message, HasSubstr("run.yaml:3"));
  EXPECT_THAT(message, HasSubstr("did you mean 'batch_size'"));
}

TEST(Config, RefusesValuesOfTheWrongKindWithTheirLine) {
  const Config config =
      Config::Parse("\na: text\nb: 1.5\nc: yes\nd: {x: 1}\ne: '3'\nf: nan\n", "t.yaml");
  EXPECT_THAT(ErrorOf([&] { config.Number("a", 0); }), HasSubstr("t.yaml:2"));
  EXPECT_THAT(ErrorOf([&] { config.Integer("b", 0); }), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf([&] { config.Bool("c", false); }), HasSubstr("true or false"));
  EXPECT_THAT(ErrorOf([&] { config.String("d", ""); }), HasSubstr("text"));
  EXPECT_THAT(ErrorOf([&] { config.Number("e", 0); }), HasSubstr("number"));
  EXPECT_THAT(ErrorOf([&] { config.Number("f", 0); }), HasSubstr("number"));
  EXPECT_THAT(ErrorOf([&] { config.IntegerIn("g", 99, 0, 10); }), HasSubstr("outside"));
  EXPECT_THAT(ErrorOf([&] { config.Choice("a", "x", {"test", "other"}); }), HasSubstr("'test'"));
}

TEST(Config, MergesWhatItExtendsAndAppliesOverrides) {
  testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "base.yaml", "model: {name: unet, depth: 5}\nlist: [1, 2]\n");
  WriteFileAtomically(folder / "run.yaml",
                      "extends: base.yaml\nmodel: {depth: 6}\naugment:\n- name: gain\n");
  const Config config = Config::Load(
      folder / "run.yaml", {"model.width=3", "augment.0.name=shift", "new.deep=1", "list=[7]"});
  EXPECT_EQ(config.Child("model").String("name", ""), "unet");
  EXPECT_EQ(config.Child("model").Integer("depth", 0), 6);
  EXPECT_EQ(config.Child("model").Integer("width", 0), 3);
  EXPECT_EQ(config.List("augment")[0].String("name", ""), "shift");
  EXPECT_EQ(config.Child("new").Integer("deep", 0), 1);
  EXPECT_EQ(config.Numbers("list"), (std::vector<double>{7}));
  EXPECT_THAT(ErrorOf([&] { Config::Load(folder / "run.yaml", {"augment.3.name=x"}); }),
              HasSubstr("numbered from 0"));
  EXPECT_THAT(ErrorOf([&] { Config::Load(folder / "run.yaml", {"nonsense"}); }),
              HasSubstr("key.path=value"));
}

TEST(Config, ReportsBrokenFiles) {
  EXPECT_THAT(ErrorOf([] { Config::Parse("a: [1,\nb: }", "x.yaml"); }), HasSubstr("x.yaml"));
  EXPECT_THAT(ErrorOf([] { Config::Parse("a: 1\na: 2\n", "x.yaml"); }), HasSubstr("stands twice"));
  testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "loop.yaml", "extends: loop.yaml\n");
  EXPECT_THAT(ErrorOf([&] { Config::Load(folder / "loop.yaml"); }), HasSubstr("circle"));
}

TEST(Config, DumpsWhatWasReadWithDefaultsAndReadsItBack) {
  const Config config = Config::Parse("model: {name: unet, rate: 1e-3}\ntag: \"007\"\n", "t");
  config.Child("model").Number("rate", 0);
  config.Child("model").Number("dropout", 0.25);
  config.Child("train").Integer("steps", 100);
  const Config again = Config::Parse(config.Dump(), "dump");
  EXPECT_EQ(again.Child("model").Number("rate", 0), 1e-3);
  EXPECT_EQ(again.Child("model").Number("dropout", 0), 0.25);
  EXPECT_EQ(again.Child("train").Integer("steps", 0), 100);
  EXPECT_EQ(again.String("tag", ""), "007");
  EXPECT_EQ(again.Dump(), Config::Parse(again.Dump(), "again").Dump());
}

}  // namespace
}  // namespace stemsmith
