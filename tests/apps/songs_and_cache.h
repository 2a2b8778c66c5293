// Songs and a cache of them, made by the programs once for all tests of a suite.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

inline const std::string kStemsmith = STEMSMITH_BIN_DIR "/stemsmith";

class SongsAndCache : public ::testing::Test {
 protected:
  // songs/ and cache.h5 in a folder of the suite's own.
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    Must(kStemsmith + " synth " + Path("songs") +
         " --songs 3 --seconds 5 --seed 3 --layout folders");
    Must(kStemsmith + " prepare folders " + Path("songs") + " --out " + Path("cache.h5"));
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static std::string Path(const std::string& name) { return (*folder_ / name).string(); }
  // Runs a command that must succeed.
  static ProgramResult Must(const std::string& command) {
    const ProgramResult result = RunProgram(command);
    EXPECT_EQ(result.status, 0) << command << '\n' << result.out << result.err;
    return result;
  }

 private:
  inline static TemporaryFolder* folder_ = nullptr;
};

}  // namespace stemsmith::testing
