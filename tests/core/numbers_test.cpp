#include "core/numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <clocale>
#include <cmath>

#include "tests/support/error_of.h"

namespace stemsmith::testing::numbers_test {
namespace {

using ::testing::HasSubstr;

// What is no number at all, whoever asks.
constexpr const char* kNone[] = {"",      " ",     "nan",   "-nan", "inf", "-inf", "infinity",
                                 "1e999", "0x10",  "1,5",   " 1",   "1 ",  "1.5x", "--1",
                                 "+-1",   "+",     "-",     ".",    "e5",  "1e",   "true",
                                 "١",     "1_000", "1'000", "\t1",  "1\n"};

TEST(Numbers, WhatIsNoneIsNone) {
  for (const char* text : kNone) {
    EXPECT_FALSE(ParseNumber(text)) << "'" << text << "'";
    EXPECT_FALSE(ParseInteger(text)) << "'" << text << "'";
    EXPECT_FALSE(ParseUnsigned(text)) << "'" << text << "'";
  }
  EXPECT_FALSE(ParseNumber(std::string_view("1\0", 2)));
}

TEST(Numbers, WhatPeopleWriteIsRead) {
  EXPECT_EQ(ParseNumber("0.25"), 0.25);
  EXPECT_EQ(ParseNumber(".5"), 0.5);
  EXPECT_EQ(ParseNumber("+3"), 3.0);
  EXPECT_EQ(ParseNumber("-6e-3"), -6e-3);
  EXPECT_EQ(ParseInteger("-17"), -17);
  EXPECT_EQ(ParseInteger("1e6"), 1'000'000);
  EXPECT_EQ(ParseInteger("8.0"), 8);
  EXPECT_EQ(ParseInteger("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(ParseUnsigned("18446744073709551615"), UINT64_MAX);
}

TEST(Numbers, FractionsSignsAndSizesThatDoNotFitAreRefused) {
  for (const char* text : {"2.5", "1e-3", "1e18", "9223372036854775808"})
    EXPECT_FALSE(ParseInteger(text)) << text;
  for (const char* text : {"-1", "-0.5", "-1e3", "18446744073709551616"})
    EXPECT_FALSE(ParseUnsigned(text)) << text;
  EXPECT_FALSE((NumberIn<int>("2147483648", {})));
  EXPECT_FALSE((NumberIn<int>("5", {1, 4})));
  EXPECT_FALSE((NumberIn<double>("1.5", {0, 1})));
  EXPECT_FALSE((NumberIn<std::uint64_t>("-1", {})));
  EXPECT_EQ((NumberIn<int>("4", {1, 4})), 4);
}

// A comma is the decimal point of many locales; files do not know of them.
TEST(Numbers, TheLocaleDoesNotMatter) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) == nullptr) continue;
    EXPECT_EQ(ParseNumber("0.25"), 0.25) << name;
    EXPECT_FALSE(ParseNumber("0,25")) << name;
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST(Numbers, TheErrorNamesTheOptionTheRangeAndTheText) {
  const auto message = [](auto range, const char* text) {
    return MessageOf([&] { RequireNumber(text, range, "--seed", "somewhere"); },
                     ExitCode::kWrongUse);
  };
  EXPECT_EQ(message(Range<double>{0, 1}, "nan"),
            "--seed must be a number from 0 to 1, not 'nan' (somewhere)");
  EXPECT_THAT(message(Range<int>{1, 64}, "2.5"),
              HasSubstr("a whole number from 1 to 64, not '2.5'"));
  EXPECT_THAT(message(Range<int>{.low = 0}, ""), HasSubstr("a whole number of at least 0, not ''"));
  EXPECT_THAT(message(Range<std::int64_t>{}, "x"), HasSubstr("must be a whole number, not 'x'"));
}

TEST(Numbers, TextReadsBackTheSame) {
  for (const double value : {0.1, 1e-3, 1.0 / 3, 44100.0, 1e6, -0.25, 1e300, 5e-324})
    EXPECT_EQ(ParseNumber(NumberText(value)), value) << NumberText(value);
  EXPECT_EQ(NumberText(0.0001), "0.0001");
  EXPECT_EQ(NumberText(1e6), "1000000");
}

}  // namespace
}  // namespace stemsmith::testing::numbers_test
