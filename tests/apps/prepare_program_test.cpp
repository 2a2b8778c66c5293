// `stemsmith prepare` as it is typed: what its options refuse, and what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "audio/encode.h"
#include "core/files.h"
#include "core/random.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace prepare_program_tests {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::ProgramResult;
using testing::RunProgram;

class PrepareProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int song = 0; song < 3; ++song) {
      for (const char* stem : {"drums", "bass"}) {
        RandomStream random({static_cast<std::uint64_t>(song), static_cast<std::uint64_t>(*stem)});
        AudioBuffer audio(2, 44100);
        for (float& sample : audio.samples()) sample = random.Uniform(-0.3, 0.3);
        WriteAudio(folder_ / ("songs/song " + std::to_string(song)) / (std::string(stem) + ".wav"),
                   audio, 44100, {});
      }
    }
  }
  ProgramResult Prepare(const std::string& options) {
    return RunProgram(STEMSMITH_BIN_DIR "/stemsmith prepare folders " +
                      (folder_ / "songs").string() + " --out " + Cache() + " " + options);
  }
  std::string Cache() { return (folder_ / "cache.h5").string(); }
  nlohmann::json Inspect() {
    const ProgramResult result =
        RunProgram(STEMSMITH_BIN_DIR "/stemsmith inspect --json " + Cache());
    EXPECT_EQ(result.status, 0) << result.err;
    return nlohmann::json::parse(result.out);
  }
  testing::TemporaryFolder folder_;
};

TEST_F(PrepareProgram, NamesPatternsThatFitNothing) {
  const std::string recipe = (folder_ / "r.yaml").string();
  WriteFileAtomically(recipe, "stems: {drums: drums, bass: bass}\nignore: [bas_s, '*click*']\n");
  const ProgramResult result = Prepare("--recipe " + recipe);
  EXPECT_EQ(result.status, 0) << result.err;
  for (const char* pattern : {"bas_s", "*click*"})
    EXPECT_THAT(result.err, HasSubstr("warning: `ignore: \"" + std::string(pattern) + "\"` in "));
  EXPECT_THAT(RunProgram(STEMSMITH_BIN_DIR "/stemsmith doctor folders " +
                         (folder_ / "songs").string() + " --recipe " + recipe)
                  .out,
              HasSubstr("`ignore: \"*click*\"` in "));
}

TEST_F(PrepareProgram, RefusesValuesThatMakeNoSense) {
  for (const char* options : {"--shard 0/2",
                              "--shard 3/2",
                              "--shard two/three",
                              "--shard 1",
                              "--shard 1/0",
                              "--shard ''",
                              "--excerpt 0",
                              "--excerpt -3",
                              "--excerpt nan",
                              "--excerpt long",
                              "--excerpt inf",
                              "--excerpt ''",
                              "--valid-fraction nan",
                              "--valid-fraction 1.5",
                              "--valid-fraction ''",
                              "--seed -1",
                              "--seed 1.5",
                              "--seed 18446744073709551616",
                              "--threads -1",
                              "--threads 1e30",
                              "--sample-rate nan",
                              "--sample-rate 44100.5",
                              "--channels 0x2",
                              "--spectrogram nan,512",
                              "--spectrogram 1024,-256",
                              "--spectrogram ,",
                              "--trim-silence loud",
                              "--trim-silence=3",
                              "--trim-silence=nan",
                              "--trim-silence=-500",
                              "--trim-silence",
                              "--min-silence 2",
                              "--trim-silence=-60 --min-silence 0",
                              "--trim-silence=-60 --min-silence 1000",
                              "--format float8",
                              "--compression 10",
                              "--compression=-1",
                              "--compression best"}) {
    const ProgramResult result = Prepare(options);
    EXPECT_EQ(result.status, 2) << options << '\n' << result.err;
    EXPECT_NE(result.err, "") << options;
    EXPECT_FALSE(fs::exists(folder_ / "cache.h5.d")) << options;
  }
  EXPECT_THAT(Prepare("--shard 4/3").err, AllOf(HasSubstr("\"4/3\""), HasSubstr("give K/N")));
}

TEST_F(PrepareProgram, ShardsSayWhatIsLeftToDoAndTheLastRunWritesTheIndex) {
  const ProgramResult first = Prepare("--shard 1/2");
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr("shard 1/2: 2 songs"), HasSubstr("without --shard")));
  EXPECT_FALSE(fs::exists(Cache()));
  const auto second = nlohmann::json::parse([&] {
    const std::string out = Prepare("--shard 2/2 --json").out;
    return out.substr(out.rfind("\n{", out.size() - 2) + 1);
  }());
  EXPECT_EQ(second["prepared"], 1);
  EXPECT_EQ(second["shard"], "2/2");
  EXPECT_EQ(second["index_written"], false);
  EXPECT_EQ(second["complete"], true);
  EXPECT_THAT(Prepare("").out, HasSubstr("(0 prepared, 3 kept, 0 removed)"));
  EXPECT_EQ(Inspect()["songs"], 3);
}

TEST_F(PrepareProgram, InspectShowsLoudnessSizesAndCompression) {
  EXPECT_EQ(Prepare("").status, 0);
  const nlohmann::json plain = Inspect();
  EXPECT_EQ(Prepare("--compression 6").status, 0);
  const nlohmann::json packed = Inspect();
  EXPECT_LT(packed["bytes"], plain["bytes"]);
  EXPECT_EQ(packed["fingerprint"], plain["fingerprint"]);
  EXPECT_EQ(packed["compressed_songs"], 3);
  EXPECT_FALSE(plain.contains("compressed_songs"));
  for (const nlohmann::json& stem : packed["stems"]) {
    const nlohmann::json& loudness = stem["loudness_lufs"];
    EXPECT_EQ(loudness["songs"], 3);
    // White noise of this level: -15.2 dB RMS in each of two channels, made louder by the
    // weighting.
    EXPECT_GT(loudness["lowest"], -15.0);
    EXPECT_LE(loudness["lowest"], loudness["median"]);
    EXPECT_LE(loudness["median"], loudness["highest"]);
    EXPECT_LT(loudness["highest"], -5.0);
  }
  EXPECT_THAT(RunProgram(STEMSMITH_BIN_DIR "/stemsmith inspect " + Cache()).out,
              AllOf(HasSubstr("LUFS in the median song"), HasSubstr("compressed   3 songs")));
}

TEST_F(PrepareProgram, RemembersHowItWasTyped) {
  const ProgramResult result = Prepare(
      "--format float16 --compression 3 --trim-silence=-55.5 --min-silence 0.5 --excerpt 2");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("3 songs are shorter than 2 s and kept whole"));
  const std::string command = Inspect()["command"];
  EXPECT_THAT(command,
              HasSubstr("--format float16 --compression 3 --trim-silence -55.5 --min-silence 0.5 "
                        "--excerpt 2"));
  // What a stale cache advises can be typed: all is kept.
  const ProgramResult again = RunProgram(STEMSMITH_BIN_DIR "/" + command);
  EXPECT_THAT(again.out, HasSubstr("(0 prepared, 3 kept, 0 removed)")) << again.err;
}

}  // namespace prepare_program_tests
}  // namespace
}  // namespace stemsmith
