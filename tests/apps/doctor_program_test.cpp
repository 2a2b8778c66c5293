// `stemsmith doctor` as a user types it: exit codes and output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using testing::ProgramResult;
using testing::RunProgram;

const std::string kStemsmith = STEMSMITH_BIN_DIR "/stemsmith";

TEST(DoctorProgram, EndsWithZeroOneOrTwo) {
  const testing::TemporaryFolder folder;
  const std::string songs = (folder / "songs").string();
  ASSERT_EQ(RunProgram(kStemsmith + " synth " + songs + " --songs 4 --seconds 5 --quiet").status,
            0);
  const std::string doctor = kStemsmith + " doctor folders " + songs;

  const ProgramResult good = RunProgram(doctor);
  EXPECT_EQ(good.status, 0) << good.out << good.err;
  EXPECT_THAT(good.out, HasSubstr("nothing to fix"));
  EXPECT_THAT(good.out, HasSubstr("vocals"));

  const auto song = *std::filesystem::directory_iterator(folder / "songs" / "train");
  const std::string name = song.path().filename().string();
  WriteFileAtomically(song.path() / "bass.wav", "nothing");
  const ProgramResult bad = RunProgram(doctor);
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.out, HasSubstr("error  train/" + name));
  EXPECT_EQ(bad.err, "");

  const ProgramResult json = RunProgram(doctor + " --json");
  EXPECT_EQ(json.status, 1);
  const std::string last = json.out.substr(json.out.rfind("\n", json.out.size() - 2) + 1);
  const auto fields = nlohmann::json::parse(last);
  EXPECT_EQ(fields["event"], "result");
  EXPECT_EQ(fields["findings"][0]["kind"], "unreadable");
  EXPECT_EQ(fields["findings"][0]["song"], name);
  EXPECT_EQ(fields["complete"], true);

  const ProgramResult quiet = RunProgram(doctor + " --quiet");
  EXPECT_EQ(quiet.status, 1);
  EXPECT_EQ(quiet.out + quiet.err, "");

  EXPECT_EQ(RunProgram(kStemsmith + " doctor folderz " + songs).status, 2);
  EXPECT_EQ(RunProgram(kStemsmith + " doctor folders " + songs + "/none").status, 1);
}

}  // namespace
}  // namespace stemsmith
