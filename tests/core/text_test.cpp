// What messages are made of.
#include "core/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/decibel.h"
#include "core/json_fields.h"
#include "core/utf8.h"
#include "core/visible_text.h"

namespace stemsmith {
namespace {

TEST(Text, FormatsOfAnyLength) {
  EXPECT_EQ(Formatted("%s has %d stems, %.1f %%", "a.wav", 4, 12.25), "a.wav has 4 stems, 12.2 %");
  EXPECT_EQ(Formatted("%s", ""), "");
  const std::string longer(5000, 'x');
  EXPECT_EQ(Formatted("<%s>", longer.c_str()), "<" + longer + ">");
  EXPECT_EQ(SecondsText(2.349), "2.35 s");
  EXPECT_EQ(SecondsText(66150, 44100), "1.50 s");
}

TEST(Text, ShowsControlCharacters) {
  EXPECT_EQ(VisibleText("a\nb\t\x1b[2J\x7f"), "a\\nb\\t\\x1b[2J\\x7f");
  EXPECT_EQ(VisibleText("Dvořák · ♯ é \\n"), "Dvořák · ♯ é \\n");
  EXPECT_EQ(VisibleText("\xc2\x9bm \xc2"), "\\x9bm \xc2");
}

TEST(Text, JoinsTextsNumbersAndMembers) {
  struct Row {
    std::string name;
    int size;
  };
  const std::vector<Row> rows = {{"drums", 3}, {"bass", 45}};
  EXPECT_EQ(JoinNames(std::vector<std::string>{"drums", "bass"}), "drums, bass");
  EXPECT_EQ(JoinNames(std::vector<const char*>{}), "");
  EXPECT_EQ(JoinNames(std::vector<std::int64_t>{8, 64, 8}, "x"), "8x64x8");
  EXPECT_EQ(JoinNames(rows, " and ", &Row::name), "drums and bass");
  EXPECT_EQ(JoinNames(rows, ", ", &Row::size), "3, 45");
}

TEST(Text, LowersAsciiAlone) {
  EXPECT_EQ(LowerCase("Mix.WAV"), "mix.wav");
  EXPECT_EQ(LowerCase("ÄZ[@`"), "Äz[@`");
}

TEST(Text, HasAFirstLine) {
  EXPECT_EQ(FirstLine("a\nb\nc"), "a");
  EXPECT_EQ(FirstLine("a"), "a");
  EXPECT_EQ(FirstLine("\nb"), "");
  EXPECT_TRUE(Holds("out of memory", "of"));
  EXPECT_FALSE(Holds("out of memory", "off"));
}

TEST(Decibel, GoesBothWays) {
  EXPECT_DOUBLE_EQ(GainFromDb(-20), 0.1);
  EXPECT_DOUBLE_EQ(PowerFromDb(-20), 0.01);
  EXPECT_DOUBLE_EQ(PowerToDb(0.01, -120), -20);
  EXPECT_EQ(PowerToDb(1e-13, -120), -120);
  EXPECT_EQ(PowerToDb(0, -120), -120);
}

TEST(JsonFields, HoldsNullForWhatIsNoNumber) {
  EXPECT_EQ(FiniteOrNull(1.5), nlohmann::json(1.5));
  EXPECT_EQ(FiniteOrNull(std::nan("")), nullptr);
  EXPECT_EQ(FiniteOrNull(-HUGE_VAL), nullptr);
}

TEST(Utf8, HasSmallLettersOfAllScripts) {
  EXPECT_EQ(WithSmallLetters("Größe ÄÉ ΣΩ ЖЁ Ǆ 𐐀 1€ 漢"), "größe äé σω жё ǆ 𐐨 1€ 漢");
  EXPECT_EQ(WithSmallLetters("\xff\xc3" "A"), "\xff\xc3" "a");
  EXPECT_EQ(WithSmallLetters(std::string("A\0B", 3)), std::string("a\0b", 3));
}

}  // namespace
}  // namespace stemsmith
