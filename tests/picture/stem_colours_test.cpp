#include "picture/stem_colours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace stemsmith::testing {
namespace {

using ::testing::ElementsAre;

TEST(StemColours, UsualStemsHaveTheirOwnInAnyOrder) {
  const std::vector<int> six =
      StemColourIndices({"vocals", "drums", "bass", "other", "guitar", "piano"});
  EXPECT_EQ(std::set<int>(six.begin(), six.end()).size(), 6u);
  EXPECT_THAT(StemColourIndices({"piano", "Vocals"}), ElementsAre(six[5], six[0]));
}

TEST(StemColours, OthersTakeWhatIsFree) {
  const std::vector<int> colours = StemColourIndices({"kick", "drums", "snare"});
  EXPECT_EQ(std::set<int>(colours.begin(), colours.end()).size(), 3u);
  EXPECT_EQ(colours[1], StemColourIndices({"drums"}).front());
  EXPECT_EQ(StemColourIndices(std::vector<std::string>(20, "x")).size(), 20u);
}

TEST(StemColours, AreWrittenAsInPages) { EXPECT_EQ(HexColour({0x25, 0x03, 0xa8}), "#2503a8"); }

}  // namespace
}  // namespace stemsmith::testing
