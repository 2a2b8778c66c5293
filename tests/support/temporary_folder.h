// A folder of its own for a test, removed afterwards.
#pragma once

#include <filesystem>
#include <string>

namespace stemsmith::testing {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct ProgramResult {
  int status = 0;  // exit code, 128 + signal when killed
  std::string out, err;
};
// Runs a shell command and captures both streams.
ProgramResult RunProgram(const std::string& command);

}  // namespace stemsmith::testing
