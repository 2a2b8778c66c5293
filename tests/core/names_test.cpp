// Names that people write: the nearest known one, rows of tables, and what is said of unknown ones.
#include "core/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

namespace stemsmith {
namespace {

const std::vector<std::string> kStems = {"drums", "bass", "vocals"};

TEST(Names, FindTheNearestButNotAFarOne) {
  EXPECT_EQ(NearestName("durms", kStems), "drums");
  EXPECT_EQ(NearestName("vocal", kStems), "vocals");
  EXPECT_EQ(NearestName("accompaniment", kStems), "");
  EXPECT_EQ(EditDistance("ab", "ba"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(DidYouMean("durms", kStems, "leave it out"), "did you mean 'drums'?");
  EXPECT_EQ(DidYouMean("accompaniment", kStems, "leave it out"), "leave it out");
  EXPECT_EQ(DidYouMean("x", std::set<std::string>{}, "nothing is there"), "nothing is there");
}

template <typename Function>
std::string Refusal(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kWrongUse);
    return error.what();
  }
  return "taken";
}

TEST(Names, ArePlacesOrOneErrorWithWhatWhereAndWhatIsKnown) {
  EXPECT_EQ(RequireName("drums", kStems, "no stem 'drums'", "a.yaml:3"), 0u);
  EXPECT_EQ(RequireName("vocals", kStems, "no stem 'vocals'", "a.yaml:3"), 2u);
  EXPECT_EQ(RequireName("b", std::array{"a", "b"}, "", ""), 1u);
  EXPECT_EQ(Refusal([] { RequireName("durms", kStems, "no stem 'durms'", "a.yaml:3"); }),
            "no stem 'durms' (a.yaml:3); did you mean 'drums'? known: drums, bass, vocals");
  EXPECT_EQ(Refusal([] { RequireName("kazoo", kStems, "no stem 'kazoo'", ""); }),
            "no stem 'kazoo'; known: drums, bass, vocals");
}

TEST(Names, FindRowsOfTables) {
  struct Row {
    const char* name;
    int value;
  };
  static const std::vector<Row> table = {{"adam", 1}, {"adamw", 2}};
  const Row& row = FindRow(table, "adamw", "optimizer", "");
  EXPECT_EQ(&row, &table[1]);  // the row itself, no copy
  static constexpr Row kRows[] = {{"one", 1}, {"two", 2}};
  EXPECT_EQ(FindRow(kRows, "two", "number", "").value, 2);
  EXPECT_EQ(Refusal([] { FindRow(table, "adma", "optimizer", "t.yaml:1"); }),
            "unknown optimizer 'adma' (t.yaml:1); did you mean 'adam'? known: adam, adamw");
}

}  // namespace
}  // namespace stemsmith
