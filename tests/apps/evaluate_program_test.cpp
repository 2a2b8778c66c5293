// `stemsmith evaluate` as a user types it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "audio/encode.h"
#include "core/files.h"
#include "core/random.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using testing::ProgramResult;
using testing::RunProgram;

constexpr int kRate = 8000;

class EvaluateProgram : public ::testing::Test {
 protected:
  EvaluateProgram() {
    for (const char* song : {"one", "two"}) {
      for (const char* stem : {"bass", "drums"}) Write("references", song, stem, 0);
      for (const char* stem : {"bass", "drums"}) Write("estimates", song, stem, 0.02f);
      Write("references", song, "mixture", 0);
    }
  }
  std::filesystem::path Write(const std::string& side, const std::string& song,
                              const std::string& stem, float noise,
                              std::size_t frames = 2 * kRate) {
    AudioBuffer audio(1, frames);
    RandomStream random({HashBytes(song + stem)}), other({HashBytes(song + stem + side)});
    for (float& sample : audio.samples())
      sample = static_cast<float>(0.1 * random.Normal() + noise * other.Normal());
    const auto path = folder_ / side / "test" / song / (stem + ".wav");
    std::filesystem::create_directories(path.parent_path());
    WriteAudio(path, audio, kRate);
    return path;
  }
  ProgramResult Evaluate(const std::string& arguments = "") {
    return RunProgram(STEMSMITH_BIN_DIR "/stemsmith evaluate --references " +
                      (folder_ / "references").string() + " --estimates " +
                      (folder_ / "estimates").string() + " " + arguments);
  }

  testing::TemporaryFolder folder_;
};

TEST_F(EvaluateProgram, PrintsAndWritesFigures) {
  const std::filesystem::path out = folder_ / "out", csv = folder_ / "table.csv";
  const ProgramResult people = Evaluate("--out " + out.string() + " --csv " + csv.string());
  EXPECT_EQ(people.status, 0) << people.err;
  EXPECT_THAT(people.out, HasSubstr("stem         SDR        ISR        SIR        SAR"));
  EXPECT_THAT(people.out, HasSubstr("medians over 2 songs"));
  const auto summary = nlohmann::json::parse(ReadFile(out / "summary.json"));
  EXPECT_NEAR(summary["stems"]["bass"]["SDR"]["median"].get<double>(), 14, 0.5);
  EXPECT_EQ(summary["songs"].size(), 2u);
  EXPECT_TRUE(std::filesystem::exists(out / "test/one.json"));
  EXPECT_THAT(ReadFile(csv), HasSubstr("two,drums,snr,"));

  const ProgramResult again = Evaluate("--json --csv " + csv.string() + "2");
  EXPECT_EQ(nlohmann::json::parse(
                again.out.substr(again.out.rfind('\n', again.out.size() - 2) + 1))["stems"],
            summary["stems"]);
  EXPECT_EQ(ReadFile(csv), ReadFile(csv.string() + "2"));
}

TEST_F(EvaluateProgram, WritesAReport) {
  const std::filesystem::path page = folder_ / "pages/report.html";
  const ProgramResult result = Evaluate("--report " + page.string());
  if (result.status == 2) {
    EXPECT_THAT(result.err, HasSubstr("this build has no reports"));
    return;
  }
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(ReadFile(page).find("<h1>Figures of estimates</h1>"), std::string::npos);
  const ProgramResult same = Evaluate("--report " + page.string() + " --csv " + page.string());
  EXPECT_EQ(same.status, 2);
  EXPECT_THAT(same.err, HasSubstr("two files to write have one name"));
  const std::string stem = (folder_ / "references/test/one/bass.wav").string();
  EXPECT_EQ(Evaluate("--report " + stem).status, 2) << "it would replace what is measured";
}

TEST_F(EvaluateProgram, ACutFileIsToldWithoutAnOptionThatThereIsNot) {
  const std::filesystem::path file = folder_ / "references/test/one/bass.wav";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  const ProgramResult result = Evaluate();
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("copy or download the file again"));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr("on-damage")));
}

TEST_F(EvaluateProgram, SongsOfOneFolderEachAreOneSong) {
  const ProgramResult one = RunProgram(STEMSMITH_BIN_DIR "/stemsmith evaluate --references " +
                                       (folder_ / "references/test/one").string() +
                                       " --estimates " + (folder_ / "estimates/test/one").string());
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("medians over 1 song;"));
}

TEST_F(EvaluateProgram, ASongThatFailsIsNamedAndTheOthersGoOn) {
  std::filesystem::remove(folder_ / "estimates/test/one/bass.wav");
  const ProgramResult missing = Evaluate();
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("there is no estimate of bass"));
  EXPECT_THAT(missing.out, HasSubstr("medians over 1 song;"));

  std::filesystem::rename(folder_ / "estimates/test/one", folder_ / "estimates/test/three");
  const ProgramResult other = Evaluate();
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, HasSubstr("there are no estimates of this song (one)"));
  EXPECT_THAT(other.err, HasSubstr("three: there are no references of this song"));
}

TEST_F(EvaluateProgram, LengthsAreAlignedWhenAsked) {
  Write("estimates", "one", "bass", 0.02f, 2 * kRate - 100);
  const ProgramResult refused = Evaluate();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("the length is 15900 frames"));
  EXPECT_THAT(refused.err, HasSubstr("--align"));
  EXPECT_EQ(Evaluate("--align").status, 0);
}

TEST_F(EvaluateProgram, WhatWasAlignedIsSaid) {
  Write("estimates", "one", "bass", 0.02f, kRate);
  EXPECT_THAT(Evaluate("--align").err, HasSubstr("bass.wav got 1.00 s of silence at its end"));
}

TEST_F(EvaluateProgram, NothingMeasuredIsReplaced) {
  for (const char* side : {"references", "estimates"}) {
    const auto file = folder_ / side / "test/one/bass.wav";
    const std::string before = ReadFile(file);
    EXPECT_EQ(Evaluate("--csv " + file.string()).status, 2);
    EXPECT_EQ(ReadFile(file), before);
  }
  const std::string out = (folder_ / "out").string();
  const ProgramResult both = Evaluate("--out " + out + " --csv " + out + "/summary.json");
  EXPECT_EQ(both.status, 2);
  EXPECT_THAT(both.err, HasSubstr("two files to write have one name"));
}

TEST_F(EvaluateProgram, AnotherSongIsNoticed) {
  for (const char* stem : {"bass", "drums"}) {
    std::filesystem::rename(folder_ / "estimates/test/one" / (std::string(stem) + ".wav"),
                            folder_ / stem);
    std::filesystem::copy(folder_ / "estimates/test/two" / (std::string(stem) + ".wav"),
                          folder_ / "estimates/test/one" / (std::string(stem) + ".wav"));
  }
  EXPECT_THAT(Evaluate().err, HasSubstr("one: the sum of the estimates has nothing of the sum"));
}

TEST_F(EvaluateProgram, WrongUseIsTwo) {
  const ProgramResult metric = Evaluate("--metrics sdrr");
  EXPECT_EQ(metric.status, 2);
  EXPECT_THAT(metric.err, HasSubstr("unknown metric 'sdrr'"));
  EXPECT_EQ(Evaluate("--bss-eval 2").status, 2);
  EXPECT_EQ(Evaluate("--metrics snr,all").status, 0);
  EXPECT_EQ(Evaluate("--hop 0").status, 2);
  EXPECT_EQ(Evaluate("--window nan").status, 2);
}

}  // namespace
}  // namespace stemsmith
