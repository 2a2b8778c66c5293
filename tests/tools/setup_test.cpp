// What set-up says when pip fails, from what pip said; and where it finds Debian's mirror.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kTools = STEMSMITH_SOURCE_DIR "/tools/";

std::string Meaning(const std::string& output) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "pip.log", output);
  const auto result = testing::RunProgram(kTools + "pip_failure.sh 'the peers' 3.13 " +
                                          (folder / "pip.log").string());
  EXPECT_EQ(result.status, 0) << result.err;
  return result.out;
}

TEST(Setup, SaysThatAnotherRunDoesNotHelpWhereThisPythonHasNoWheel) {
  for (const char* const versions : {"none", "2.1.0, 2.1.1, 2.2.6", "1.31.1"}) {
    EXPECT_THAT(
        Meaning("ERROR: Could not find a version that satisfies the requirement numpy==1.26.4 "
                "(from versions: " +
                std::string(versions) +
                ")\nERROR: No matching distribution found for numpy==1.26.4\n"),
        AllOf(HasSubstr("no wheel of numpy==1.26.4 for Python 3.13"), HasSubstr("does not help"),
              HasSubstr("3.11 and 3.13")));
  }
}

TEST(Setup, SaysWhichBuildFromSourceFailed) {
  EXPECT_THAT(Meaning("  error: command 'gcc' failed with exit code 1\n"
                      "  ERROR: Failed building wheel for numpy\n"
                      "ERROR: Could not build wheels for numpy, which is required to install\n"),
              AllOf(HasSubstr("numpy could not be built"), HasSubstr("does not help")));
  for (const char* const output :
       {"error: subprocess-exited-with-error\n× Preparing metadata did not run successfully.\n",
        "error: metadata-generation-failed\nhint: See above for details.\n"}) {
    EXPECT_THAT(Meaning(output),
                AllOf(HasSubstr("the peers could not be built"), HasSubstr("pip.log")));
  }
}

TEST(Setup, SaysToRunAgainWhereTheNetworkFailed) {
  for (const char* const reason :
       {"NewConnectionError('<pip._vendor.urllib3>: [Errno 111] Connection refused')",
        "ReadTimeoutError(\"HTTPSConnectionPool: Read timed out. (read timeout=15)\")",
        "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 503'))"}) {
    EXPECT_THAT(Meaning(std::string("WARNING: Retrying (Retry(total=0)) after connection broken "
                                    "by '") +
                        reason +
                        "': /simple/einops/\n"
                        "ERROR: Could not find a version that satisfies the requirement "
                        "einops==0.8.2 (from versions: none)\n"
                        "ERROR: No matching distribution found for einops==0.8.2\n"),
                AllOf(HasSubstr("could not download the peers"), HasSubstr("again"),
                      Not(HasSubstr("wheel"))));
  }
  EXPECT_THAT(Meaning("ERROR: Could not install packages due to an OSError: [Errno 28] No space "
                      "left on device\n"),
              HasSubstr("disk is full"));
  EXPECT_THAT(Meaning("ERROR: something else\n"), HasSubstr("ERROR: something else"));
}

std::string Mirror(const std::string& list, const std::string& content) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "sources.list.d");
  WriteFileAtomically(folder / list, content);
  return testing::RunProgram(kTools + "debian_mirror.sh " + folder.path().string()).out;
}

TEST(Setup, FindsTheMirrorThatTheSourcesOfAptName) {
  EXPECT_EQ(Mirror("sources.list",
                   "# deb http://old.example/debian bookworm main\n"
                   "deb http://one.example/debian bookworm main\n"),
            "http://one.example/debian\n");
  EXPECT_EQ(Mirror("sources.list.d/debian.list",
                   "deb http://one.example/debian-security bookworm-security main\n"
                   "deb [arch=amd64 signed-by=/a.gpg] https://two.example/debian/ bookworm main\n"),
            "https://two.example/debian/\n");
  EXPECT_EQ(Mirror("sources.list.d/debian.sources",
                   "Types: deb\nURIs: http://three.example/debian\nSuites: bookworm\n"),
            "http://three.example/debian\n");
  EXPECT_EQ(Mirror("sources.list.d/other.list", "deb https://four.example/apt stable main\n"), "");
}

}  // namespace
}  // namespace stemsmith
