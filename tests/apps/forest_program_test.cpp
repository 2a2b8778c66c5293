// A random forest from a cache to stems, as a user types it; what it learns is tested in
// tests/baselines/forest_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "tests/apps/songs_and_cache.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::ProgramResult;
using testing::RunProgram;

class ForestProgram : public testing::SongsAndCache {
 protected:
  static constexpr char kSmall[] =
      " --set fit.samples=3000 --set fit.trees=2 --set fit.songs=2 --set fit.seconds=4";
  void SetUp() override {
#ifndef STEMSMITH_HAS_OPENCV
    GTEST_SKIP() << "built without OpenCV";
#endif
    if (!std::filesystem::exists(Path("f.forest")))
      Must(Fit("--fit " + Path("cache.h5") + " --out " + Path("f.forest") + kSmall));
  }
  static std::string Fit(const std::string& arguments) {
    return testing::kStemsmith + " baseline forest " + arguments;
  }
  static std::string Song() {
    for (const auto& entry : std::filesystem::directory_iterator(Path("songs/train")))
      return (entry.path() / "mixture.wav").string();
    return "";
  }
};

TEST_F(ForestProgram, FitsAndSeparates) {
  const ProgramResult fit =
      Must(Fit("--fit " + Path("cache.h5") + " -o " + Path("again.forest") + kSmall + " --json"));
  EXPECT_THAT(fit.out, HasSubstr(R"("forest":)"));
  EXPECT_EQ(ReadFile(Path("again.forest")), ReadFile(Path("f.forest")));
  Must(Fit("'" + Song() + "' -o " + Path("stems") + " --model " + Path("f.forest")));
  Must(Fit("'" + Song() + "' -o " + Path("set") + " --set model=" + Path("f.forest")));
  int stems = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Path("stems"))) {
    if (!entry.is_regular_file()) continue;
    ++stems;
    const std::string other =
        Path("set") + "/" + entry.path().lexically_relative(Path("stems")).string();
    EXPECT_EQ(ReadFile(entry.path()), ReadFile(other));
  }
  EXPECT_EQ(stems, 4);
}

TEST_F(ForestProgram, IsListedAsOneThatMustBeFitted) {
  EXPECT_THAT(Must(testing::kStemsmith + " baseline --list").out, HasSubstr("must be fitted"));
  const ProgramResult list = Must(testing::kStemsmith + " baseline --list --json");
  const nlohmann::json told = nlohmann::json::parse(list.out);
  EXPECT_GT(told.at("baselines").size(), 1u);
  for (const auto& row : told.at("baselines"))
    EXPECT_EQ(row["needs_fit"], row["name"] == "forest");
}

TEST_F(ForestProgram, SaysWhatIsWrong) {
  const struct {
    std::string command, what;
    int status;
  } cases[] = {
      {Fit("'" + Song() + "' -o x"), "must be fitted first", 2},
      {Fit("--fit " + Path("cache.h5")), "give --out FILE", 2},
      {Fit("'" + Song() + "' --fit " + Path("cache.h5") + " -o x"), "separates no songs", 2},
      {Fit("--fit '" + Song() + "' -o x"), "this is a song, not a cache", 1},
      {Fit("--fit " + Path("cache.h5") + " -o " + Path("cache.h5")), "cache.h5", 2},
      {Fit("--fit " + Path("cache.h5") + " -o x --set fit.tree=3"), "did you mean 'trees'", 2},
      {testing::kStemsmith + " baseline bands '" + Song() + "' --model x", "is not fitted", 2},
      {testing::kStemsmith + " export " + Path("f.forest") + " --out x", "a forest does not export",
       1},
      {STEMSMITH_BIN_DIR "/separate " + Path("f.forest") + " '" + Song() + "' -o x",
       "a forest does not export", 1},
  };
  for (const auto& one : cases) {
    const ProgramResult result = RunProgram("cd " + Path("songs") + " && " + one.command);
    EXPECT_EQ(result.status, one.status) << one.command;
    EXPECT_THAT(result.err, HasSubstr(one.what)) << one.command;
  }
}

TEST_F(ForestProgram, IsComparedAgainWhenItsFileChanged) {
  std::filesystem::copy_file(Path("f.forest"), Path("compared.forest"));
  std::ofstream(Path("c.yaml")) << "songs: {root: songs, split: valid}\nwindow_seconds: 0\n"
                                   "methods:\n  - {name: forest, baseline: forest, settings: "
                                   "{model: compared.forest}}\n";
  const auto compare = [] {
    return Must("cd " + Path("") + " && " + testing::kStemsmith + " compare c.yaml --out out").out;
  };
  EXPECT_THAT(compare(), HasSubstr("kept: 0"));
  EXPECT_THAT(compare(), HasSubstr("results made: 0"));
  Must(Fit("--fit " + Path("cache.h5") + " --out " + Path("compared.forest") + kSmall +
           " --set fit.seed=2"));
  EXPECT_THAT(compare(), HasSubstr("results made: 1, kept: 1"));  // that of the mixture
}

}  // namespace
}  // namespace stemsmith
