#include "core/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/files.h"
#include "core/option.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

// Every error of a configuration is one of wrong use.
std::string Refusal(const std::function<void()>& action) {
  return testing::MessageOf(action, ExitCode::kWrongUse);
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
  const Config filled = config.WithDefault("absent", fallback);
  EXPECT_EQ(filled.Child("absent").String("name", ""), "unet");
  EXPECT_EQ(Config::Parse(filled.Dump(), "d").Child("absent").String("name", ""), "unet");
  filled.CheckAllRead();
  EXPECT_EQ(config.Child("absent").String("name", "none"), "none") << "it is left as it was";
  EXPECT_EQ(config.WithDefault("c", fallback).String("c", ""), "text") << "what is given counts";
  config.CheckAllRead();
}

TEST(Config, NamesLineAndNearestNameOfAnUnknownKey) {
  const Config config = Config::Parse("train:\n  steps: 10\n  batch_sise: 4\n", "run.yaml");
  const Config train = config.Child("train");
  train.Integer("steps", 0);
  train.Integer("batch_size", 8);
  const std::string message = Refusal([&] { config.CheckAllRead(); });
  EXPECT_THAT(message, HasSubstr("batch_sise"));
  EXPECT_THAT(message, HasSubstr("run.yaml:3"));
  EXPECT_THAT(message, HasSubstr("did you mean 'batch_size'"));
}

TEST(Config, RefusesValuesOfTheWrongKindWithTheirLine) {
  const Config config =
      Config::Parse("\na: text\nb: 1.5\nc: yes\nd: {x: 1}\ne: '3'\nf: nan\n", "t.yaml");
  EXPECT_THAT(Refusal([&] { config.Number("a", 0); }), HasSubstr("t.yaml:2"));
  EXPECT_THAT(Refusal([&] { config.Integer("b", 0); }), HasSubstr("whole number"));
  EXPECT_THAT(Refusal([&] { config.Bool("c", false); }), HasSubstr("true or false"));
  EXPECT_THAT(Refusal([&] { config.String("d", ""); }), HasSubstr("text"));
  EXPECT_THAT(Refusal([&] { config.Number("e", 0); }), HasSubstr("number"));
  EXPECT_THAT(Refusal([&] { config.Number("f", 0); }), HasSubstr("number"));
  EXPECT_THAT(Refusal([&] { config.IntegerIn("g", 99, 0, 10); }), HasSubstr("outside"));
  EXPECT_THAT(Refusal([&] { config.Choice("a", "x", {"test", "other"}); }), HasSubstr("'test'"));
}

// A fault may be of the file's value, or of the one that was set beside or below it.
TEST(Config, NamesTheOverridesWithThePlace) {
  testing::TemporaryFolder folder;
  const std::string file = (folder / "a.yaml").string();
  WriteFileAtomically(file, "n_fft: 4096\nhop: 1024\nbands:\n  bass: {high_hz: 200}\n");
  const Config config = Config::Load(file, {"n_fft=100", "bands.bass.low_hz=300"});
  EXPECT_EQ(config.Where("n_fft"), Option("set", "n_fft=100"));
  EXPECT_EQ(config.Where("hop"), file + ":2 with " + Option("set", "n_fft=100"));
  EXPECT_EQ(config.Child("bands").Where("bass"),
            file + ":4 with " + Option("set", "bands.bass.low_hz=300"));
  // Of one value alone it is the value's own place.
  const Error error = testing::ErrorOf([&] { config.IntegerIn("hop", 0, 1, 10); });
  EXPECT_EQ(error.where(), file + ":2");
  EXPECT_EQ(Config::Load(file).Where("hop"), file + ":2");
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
  EXPECT_THAT(Refusal([&] { Config::Load(folder / "run.yaml", {"augment.3.name=x"}); }),
              HasSubstr("numbered from 0"));
  EXPECT_THAT(Refusal([&] { Config::Load(folder / "run.yaml", {"nonsense"}); }),
              HasSubstr("key.path=value"));
}

TEST(Config, WhatIsMissingIsMissingWhereAFileExtendsAnother) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "base.yaml", "model:\n  depth: 4\n");
  WriteFileAtomically(folder / "mine.yaml", "# mine\nextends: base.yaml\nmodel:\n  name: unet\n");
  const Config config = Config::Load(folder / "mine.yaml");
  const std::string mine = (folder / "mine.yaml").string();
  EXPECT_EQ(config.Where(), mine + ":2");
  EXPECT_EQ(config.Where("model"), mine + ":3");
  EXPECT_EQ(config.Child("model").Where("depth"), (folder / "base.yaml").string() + ":2");
}

TEST(Config, KeysThatStandTwiceAreErrorsOnlyInFilesOfOurs) {
  const testing::TemporaryFolder folder;
  const std::string file = (folder / "twice.yaml").string();
  WriteFileAtomically(file, "a: 1\nb: 2\na: {c: 3}\n");
  EXPECT_THAT(Refusal([&] { Config::Load(file); }), HasSubstr("'a' stands twice (" + file + ":3)"));
  std::vector<std::string> notes;
  const Config config = Config::LoadForeign(file, notes);
  EXPECT_EQ(config.Child("a").Integer("c", 0), 3);
  EXPECT_EQ(config.Keys(), (std::vector<std::string>{"a", "b"}));
  EXPECT_THAT(notes, ::testing::ElementsAre("the key 'a' stands twice, and the last one counts: " +
                                            file + ":3"));
}

TEST(Config, KeysOfAMapStandWhereTheyAreSaidTo) {
  const Config config = Config::Parse("{hop: -1, bands: [3, x], other: 2}", "made")
                            .WithPlaces({{"", "theirs.yaml:2"},
                                         {"hop", "theirs.yaml:5"},
                                         {"bands", "theirs.yaml:6"},
                                         {"absent", "theirs.yaml:7"}});
  EXPECT_EQ(config.Where(), "theirs.yaml:2");
  EXPECT_THAT(Refusal([&] { config.IntegerIn("hop", 1, 1, 9); }), HasSubstr("(theirs.yaml:5)"));
  EXPECT_THAT(Refusal([&] { config.Numbers("bands"); }), HasSubstr("(theirs.yaml:6)"));
  EXPECT_EQ(config.Where("other"), "made:1");
  EXPECT_FALSE(config.Has("absent"));
}

TEST(Config, ReportsBrokenFiles) {
  EXPECT_THAT(Refusal([] { Config::Parse("a: [1,\nb: }", "x.yaml"); }), HasSubstr("x.yaml"));
  EXPECT_THAT(Refusal([] { Config::Parse("a: 1\na: 2\n", "x.yaml"); }), HasSubstr("stands twice"));
  testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "loop.yaml", "extends: loop.yaml\n");
  EXPECT_THAT(Refusal([&] { Config::Load(folder / "loop.yaml"); }), HasSubstr("circle"));
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

TEST(Config, NumbersThatAreNoneAreRefused) {
  for (const char* text : {".nan", "nan", ".inf", "-.inf", "inf", "1e999", "0x10", "1,5", "1_000",
                           "''", "'1'", "true", "[1]", "2 3"}) {
    const Config config = Config::Parse(std::string("n: ") + text, "t.yaml");
    EXPECT_THAT(Refusal([&] { config.Number("n", 0); }), HasSubstr("'n' must be a number")) << text;
    EXPECT_THAT(Refusal([&] { config.NumberIn("n", 0, -1e9, 1e9); }), HasSubstr("t.yaml:1"))
        << text;
    EXPECT_THAT(Refusal([&] { config.Integer("n", 0); }), HasSubstr("must be a whole number"))
        << text;
  }
  for (const char* text : {"2.5", "1e18", "1e-3"}) {
    const Config config = Config::Parse(std::string("n: ") + text, "t.yaml");
    EXPECT_THAT(Refusal([&] { config.Integer("n", 0); }), HasSubstr("must be a whole number"))
        << text;
  }
  EXPECT_THAT(Refusal([] { Config::Parse("n: 1", "t").NumberIn("n", 0, 2, std::nan("")); }),
              HasSubstr("outside"));
  EXPECT_EQ(Config::Parse("n: 1e6", "t").Integer("n", 0), 1000000);
  EXPECT_EQ(Config::Parse("n: +.5", "t").Number("n", 0), 0.5);
}

// Few lines that stand for more values than any memory holds.
TEST(Config, AliasesOfAliasesAreCounted) {
  const auto bomb = [](const std::string& open, const std::string& close, const char* between) {
    std::string text = "a0: &a0 " + open + "x" + close + "\n";
    for (int level = 1; level <= 20; ++level) {
      const std::string before = "*a" + std::to_string(level - 1);
      text += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " " + open;
      for (int i = 0; i < 9; ++i) text += between + before + ", ";
      text += between + before + close + "\n";
    }
    return text;
  };
  const std::string lists = Refusal([&] { Config::Parse(bomb("[", "]", ""), "lists.yaml"); });
  EXPECT_THAT(lists, HasSubstr("lists.yaml"));
  EXPECT_THAT(lists, HasSubstr("values, with those that aliases"));
  std::string maps = "a0: &a0 {k: v}\n";
  for (int level = 1; level <= 20; ++level) {
    const std::string n = std::to_string(level), before = "*a" + std::to_string(level - 1);
    maps += "a" + n + ": &a" + n + " {";
    for (int i = 0; i < 10; ++i) maps += "k" + std::to_string(i) + ": " + before + ", ";
    maps += "}\n";
  }
  EXPECT_THAT(Refusal([&] { Config::Parse(maps, "maps.yaml"); }), HasSubstr("holds more than"));
  EXPECT_THAT(Refusal([&] { Config::Parse("a: &a [*a]\n", "itself.yaml"); }),
              HasSubstr("itself.yaml"));
  // In moderation they are what they are for.
  const Config config = Config::Parse("a: &a {x: 1}\nb: *a\nc: [*a, *a]\n", "t.yaml");
  EXPECT_EQ(config.Child("b").Integer("x", 0), 1);
  EXPECT_EQ(config.List("c").size(), 2u);
}

TEST(Config, DeepNestingAndLongFilesAreRefused) {
  EXPECT_THAT(Refusal([] { Config::Parse(std::string(100'000, '['), "deep.yaml"); }),
              HasSubstr("deep.yaml"));
  EXPECT_THAT(Refusal([] {
                Config::Parse("a: " + std::string(200, '[') + std::string(200, ']'), "deep.yaml");
              }),
              HasSubstr("nested too deeply"));
  std::string block;
  for (int i = 0; i < 200; ++i) block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(Refusal([&] { Config::Parse(block + std::string(200, ' ') + "a: 1", "block.yaml"); }),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(Refusal([] { Config::Parse(std::string(20 << 20, '#'), "long.yaml"); }),
              HasSubstr("20 MiB"));
  testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "t.yaml", "a: 1\n");
  std::string path = "a";
  for (int i = 0; i < 30'000; ++i) path += ".a";
  EXPECT_THAT(Refusal([&] { Config::Load(folder / "t.yaml", {path + "=1"}); }),
              HasSubstr("nested too deeply"));
}

TEST(Config, TuplesOfPythonAreListsAndOtherObjectsAreRefused) {
  const Config config =
      Config::Parse("\xef\xbb\xbf"
                    "a: !!python/tuple\r\n- 1\r\n- 2\r\nb: !!python/tuple [3]\r\nc: 1e-05\r\n",
                    "x.yaml");
  EXPECT_EQ(config.Numbers("a"), (std::vector<double>{1, 2}));
  EXPECT_EQ(config.Numbers("b"), std::vector<double>{3});
  EXPECT_EQ(config.Number("c", 0), 1e-5);
  for (const char* tag : {"object/apply:os.system [x]", "name:os.system ''", "module:os ''",
                          "dict {}", "none ''"})
    EXPECT_THAT(Refusal([&] { Config::Parse(std::string("a: 1\nb: !!python/") + tag, "x.yaml"); }),
                HasSubstr("a Python object (!!python/"));
}

TEST(Config, ExtendsInACircleIsRefused) {
  testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "self.yaml", "extends: self.yaml\n");
  WriteFileAtomically(folder / "a.yaml", "extends: b.yaml\n");
  WriteFileAtomically(folder / "b.yaml", "extends: a.yaml\n");
  for (int i = 0; i < 30; ++i)
    WriteFileAtomically(folder / ("long" + std::to_string(i) + ".yaml"),
                        "extends: long" + std::to_string(i + 1) + ".yaml\n");
  for (const char* name : {"self.yaml", "a.yaml", "long0.yaml"})
    EXPECT_THAT(Refusal([&] { Config::Load(folder / name); }), HasSubstr("circle")) << name;
}

}  // namespace
}  // namespace stemsmith
