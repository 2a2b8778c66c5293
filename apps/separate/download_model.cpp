#include "apps/separate/download_model.h"

#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "catalogue/model_store.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"

extern char** environ;

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// The exit status; signals that reach this program reach the child as well, or are passed on.
int WaitFor(pid_t child) {
  int status = 0;
  bool passed_on = false;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return 1;
    if (InterruptSignal() != 0 && !std::exchange(passed_on, true)) kill(child, InterruptSignal());
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

fs::path DownloadModel(const std::string& name, OutputMode mode) {
  const fs::path beside = ProgramFolder() / "stemsmith";
  std::error_code code;
  std::string program = fs::is_regular_file(beside, code) ? beside.string() : "stemsmith";
  std::vector<std::string> words = {program, "download", name};
  if (mode == OutputMode::kJson) words.push_back("--json");
  if (mode == OutputMode::kQuiet) words.push_back("--quiet");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments.data(), environ);
  if (failed != 0)
    throw Error::Input(
        "cannot start `stemsmith`, which downloads models: " + std::string(std::strerror(failed)),
        program, "install it, or give a model file");
  const int status = WaitFor(child);
  StopIfInterrupted("the download was stopped", "run this again to continue where it stopped");
  if (status != 0)
    throw Error::Input("the model was not downloaded", "stemsmith download " + name,
                       "it has said why");
  const auto stored = FindStoredModel(name);
  if (!stored) throw Error::Input("the model did not arrive", name, "stemsmith download " + name);
  return stored->file;
}

}  // namespace stemsmith
