#include "core/option.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace stemsmith {
namespace {

TEST(Option, IsShownAsItsReadersGiveIt) {
  const std::string text =
      "give fewer " + Option("threads") + ", or use " + Option("device", "cpu") + "; that helps";
  EXPECT_EQ(ShowOptions(text, OptionStyle::kFlag),
            "give fewer --threads, or use --device cpu; that helps");
  EXPECT_EQ(ShowOptions(text, OptionStyle::kName),
            "give fewer threads, or use device=cpu; that helps");
  EXPECT_EQ(ShowOptions("no option", OptionStyle::kFlag), "no option");
}

TEST(Option, LeavesTextsAloneThatOnlyLookLikeOne) {
  for (const char* text : {"⟨intro⟩.wav", "--threads", "⟨", "⟨⁣threads", ""})
    EXPECT_EQ(ShowOptions(text, OptionStyle::kFlag), text);
}

TEST(Option, IsAFieldOfTheErrorThatIsAboutIt) {
  EXPECT_EQ(Error::Usage("an overlap of 2", Option("overlap"), "").option(), "overlap");
  EXPECT_EQ(Error::Usage("an override", Option("set", "a.b=1"), "").option(), "set");
  const Error error =
      Error::Usage("a share of 2", Option("overlap"), "give " + Option("overlap", "0.5"));
  EXPECT_STREQ(error.what(), "a share of 2 (overlap); give overlap=0.5");
  EXPECT_EQ(ShowOptions(error.text(), OptionStyle::kFlag),
            "a share of 2 (--overlap); give --overlap 0.5");
  EXPECT_EQ(Error::Input("cannot read", "song.wav", "use " + Option("device", "cpu")).option(), "");
}

}  // namespace
}  // namespace stemsmith
