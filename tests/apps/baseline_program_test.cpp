// `stemsmith baseline` as a user types it. What it shares with `separate` is tested there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/separate_program.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FilesBelow;
using ::testing::HasSubstr;
using testing::ProgramResult;
using testing::Ramp;
using testing::RunProgram;
using testing::Samples;

class BaselineProgram : public testing::SeparateProgram {
 protected:
  ProgramResult Baseline(const std::string& arguments) {
    return RunProgram("cd '" + folder_.path().string() +
                      "' && " STEMSMITH_BIN_DIR "/stemsmith baseline " + arguments);
  }
};

TEST_F(BaselineProgram, ListsItsTable) {
  const ProgramResult text = Baseline("--list");
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("bands"), HasSubstr("Fitzgerald 2010")));
  const ProgramResult result = Baseline("--list --json");
  const auto rows = nlohmann::json::parse(result.out)["baselines"];
  EXPECT_EQ(rows[0]["name"], "mixture");
  EXPECT_EQ(rows[0]["stems"], (nlohmann::json{"drums", "bass", "other", "vocals"}));
}

TEST_F(BaselineProgram, WritesStemsAsSeparateDoes) {
  const ProgramResult result = Baseline("mixture good.wav -o out --bits 32f --stems bass,vocals");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("good: 2 stems in out/good"));
  EXPECT_THAT(FilesBelow(folder_ / "out"), ElementsAre("good/bass.wav", "good/vocals.wav"));
  EXPECT_EQ(Samples(folder_ / "out/good/bass.wav"), Samples(folder_ / "good.wav"));
  EXPECT_EQ(Baseline("bands good.wav -o flac --format flac --quiet").status, 0);
  EXPECT_THAT(FilesBelow(folder_ / "flac"), ElementsAre("good/bass.flac", "good/drums.flac",
                                                        "good/other.flac", "good/vocals.flac"));
}

// The chosen stem is that of its name, not that of its place.
TEST_F(BaselineProgram, GivesTheStemThatIsNamed) {
  ASSERT_EQ(Baseline("bands good.wav -o all --bits 32f --quiet").status, 0);
  ASSERT_EQ(Baseline("bands good.wav -o one --bits 32f --stems vocals --quiet").status, 0);
  EXPECT_EQ(Samples(folder_ / "one/good/vocals.wav"), Samples(folder_ / "all/good/vocals.wav"));
  EXPECT_NE(Samples(folder_ / "one/good/vocals.wav"), Samples(folder_ / "all/good/bass.wav"));
}

TEST_F(BaselineProgram, ReadsSettings) {
  std::ofstream(folder_ / "mine.yaml") << "bands: {low: {high_hz: 100}, rest: {low_hz: 100}}\n";
  ASSERT_EQ(Baseline("bands good.wav -o out --config mine.yaml --set order=2 --quiet").status, 0);
  EXPECT_THAT(FilesBelow(folder_ / "out"), ElementsAre("good/low.wav", "good/rest.wav"));
}

TEST_F(BaselineProgram, RefusesWrongUse) {
  const struct {
    const char *arguments, *says;
  } cases[] = {
      {"", "no method is named"},
      {"band good.wav", "did you mean 'bands'?"},
      {"bands", "there are no songs"},
      {"bands good.wav --set ordr=2", "did you mean 'order'?"},
      {"bands good.wav --set order=0", "order"},
      {"bands good.wav --stems piano", "piano"},
      {"bands good.wav --references .", "uses no references"},
  };
  for (const auto& one : cases) {
    const ProgramResult result = Baseline(std::string(one.arguments) + " -o out");
    EXPECT_EQ(result.status, 2) << one.arguments;
    EXPECT_THAT(result.err, HasSubstr(one.says));
    EXPECT_THAT(FilesBelow(folder_ / "out"), ElementsAre());
  }
}

TEST_F(BaselineProgram, OraclesDoNotReplaceTheirReferences) {
  std::filesystem::create_directories(folder_ / "refs/good");
  for (const char* stem : {"a", "b"})
    WriteAudio(folder_ / "refs/good" / (std::string(stem) + ".wav"), Ramp(2, 30000), 44100);
  const auto before = Samples(folder_ / "refs/good/a.wav");
  const ProgramResult result =
      Baseline("ideal_ratio_mask good.wav --references refs -o refs --set stems=[a,b]");
  EXPECT_EQ(result.status, 2) << result.out;
  EXPECT_EQ(Samples(folder_ / "refs/good/a.wav"), before);
}

TEST_F(BaselineProgram, ShowsOraclesTheReferences) {
  namespace fs = std::filesystem;
  fs::create_directories(folder_ / "refs/good");
  WriteAudio(folder_ / "refs/good/a.wav", Ramp(2, 30000), 44100);
  WriteAudio(folder_ / "refs/good/b.wav", AudioBuffer(2, 30000), 44100);
  const std::string arguments = "ideal_ratio_mask good.wav -o out --bits 32f --set stems=[a,b]";
  ASSERT_EQ(Baseline(arguments + " --references refs --quiet").status, 0);
  const std::vector<float> song = Samples(folder_ / "good.wav"),
                           a = Samples(folder_ / "out/good/a.wav");
  for (std::size_t i = 0; i < song.size(); ++i) ASSERT_NEAR(a[i], song[i], 1e-5);
  EXPECT_THAT(Baseline(arguments).err, HasSubstr("needs the true stems"));
  EXPECT_THAT(Baseline(arguments + " --references ..").err, HasSubstr("no reference"));
  EXPECT_THAT(Baseline(arguments + " --references good.wav").err, HasSubstr("is no folder"));
}

TEST_F(BaselineProgram, FailsForTheSongsThatItCannotRead) {
  std::ofstream(folder_ / "bad.wav") << "nothing to hear";
  const ProgramResult result = Baseline("bands bad.wav good.wav -o out");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("bad.wav"), HasSubstr("1 of 2 inputs failed")));
  EXPECT_THAT(FilesBelow(folder_ / "out"), ::testing::SizeIs(4));
}

}  // namespace
}  // namespace stemsmith
