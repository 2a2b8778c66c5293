// `stemsmith compare` as a user types it; what it computes is tested in tests/evaluate/compare.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/separate_program.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ProgramResult;
using testing::RunProgram;

class CompareProgram : public testing::SeparateProgram {
 protected:
  void SetUp() override {
    SeparateProgram::SetUp();
    std::filesystem::create_directories(folder_ / "songs/test/one");
    for (const char* stem : {"bass", "vocals"})
      std::filesystem::copy(folder_ / "good.wav",
                            folder_ / "songs/test/one" / (std::string(stem) + ".wav"));
    std::ofstream(folder_ / "c.yaml") << "songs: {root: songs}\nwindow_seconds: 0\nmethods:\n"
                                         "  - {name: my bands, baseline: bands}\n";
  }
  ProgramResult Compare(const std::string& arguments) {
    return RunProgram("cd '" + folder_.path().string() +
                      "' && " STEMSMITH_BIN_DIR "/stemsmith compare " + arguments);
  }
};

TEST_F(CompareProgram, PrintsATableAndContinues) {
  const ProgramResult result = Compare("c.yaml --out out");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("my bands"), HasSubstr("mean SDR over 1 song"),
                                HasSubstr("results made: 2, kept: 0")));
  const bool has_report = std::filesystem::exists(folder_ / "out/report.html");
  if (has_report) {
    EXPECT_THAT(result.out, HasSubstr("\nreport: out/report.html\n"));
  }
  EXPECT_THAT(result.err, HasSubstr("only bass, vocals can be measured"));
  const ProgramResult json = Compare("c.yaml --out out --json");
  const std::string last = json.out.substr(json.out.rfind('\n', json.out.size() - 2) + 1);
  EXPECT_EQ(nlohmann::json::parse(last)["methods"][0]["songs"], 1);
  if (has_report) {
    EXPECT_EQ(nlohmann::json::parse(last)["report"], "out/report.html");
  }
  const ProgramResult quiet = Compare("c.yaml --out out --quiet");
  EXPECT_EQ(quiet.status, 0);
  EXPECT_THAT(quiet.out + quiet.err, IsEmpty());
}

TEST_F(CompareProgram, SongsWithoutFiguresAreNotCounted) {
  WriteAudio(folder_ / "songs/test/one/bass.wav", AudioBuffer(2, 30000), 44100);
  WriteAudio(folder_ / "songs/test/one/vocals.wav", testing::Ramp(2, 30000), 44100);
  const ProgramResult result = Compare("c.yaml --out out");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("mean SDR over 0 songs"));
  EXPECT_THAT(result.err, HasSubstr("one: the reference of bass is silent"));
}

TEST_F(CompareProgram, EndsWithOneWhereAPartFailedAndWithTwoForWrongUse) {
  std::filesystem::create_directories(folder_ / "out/stems");
  std::ofstream(folder_ / "out/stems/my bands") << "in the way";
  const ProgramResult failed = Compare("c.yaml --out out");
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("1 part of the comparison failed"));
  EXPECT_THAT(failed.out, HasSubstr("mixture"));
  const ProgramResult wrong = Compare("c.yaml --out out --set methods.0.baseline=band");
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean 'bands'?"));
}

}  // namespace
}  // namespace stemsmith
