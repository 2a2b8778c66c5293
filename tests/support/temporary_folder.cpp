#include "tests/support/temporary_folder.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace stemsmith::testing {
namespace {
std::string Slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "stemsmith-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + pattern);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ProgramResult RunProgram(const std::string& command) {
  TemporaryFolder folder;
  // The models and settings of who runs the tests are none of theirs.
  static const int kNobody =
      setenv("XDG_DATA_HOME", "/nonexistent", 0) | setenv("XDG_CONFIG_HOME", "/nonexistent", 0);
  (void)kNobody;
  const std::string line = "( " + command + " ) >" + (folder / "out").string() + " 2>" +
                           (folder / "err").string() + " </dev/null";
  const int status = std::system(line.c_str());
  ProgramResult result;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = Slurp(folder / "out");
  result.err = Slurp(folder / "err");
  return result;
}

}  // namespace stemsmith::testing
