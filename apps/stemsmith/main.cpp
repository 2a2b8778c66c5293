// The program `stemsmith`. What needs no LibTorch is done here, at once; for all else, help among
// it, the process becomes `stemsmith-torch`, which lies beside it. `stemsmith separate` becomes the
// program `separate`.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "apps/output.h"
#include "apps/stemsmith/program.h"
#include "core/error.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  const std::string command = argc > 1 ? argv[1] : "";
  const auto light = LightCommands();
  if (command == "--version" || std::any_of(light.begin(), light.end(), [&](const CommandRow& row) {
        return command == row.name;
      }))
    return RunProgram(argc, argv, light);
  std::error_code code;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", code);
  const bool separates = command == "separate";
  const std::filesystem::path other =
      self.parent_path() / (separates ? "separate" : "stemsmith-torch");
  execv(other.c_str(), separates ? argv + 1 : argv);
  WriteError(Error::System(std::string("cannot start the ") +
                               (separates ? "program separate" : "part that uses LibTorch"),
                           other.string(), "install it beside stemsmith"));
  return static_cast<int>(ExitCode::kInputFailed);
}
