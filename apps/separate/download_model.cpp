#include "apps/separate/download_model.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

#include "catalogue/model_store.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/json_fields.h"

extern char** environ;

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Starts `stemsmith` with these words; its output and errors go to `output`, where that is a file.
// `task` is what it is for.
pid_t Start(std::vector<std::string> words, const std::string& task, int output = -1) {
  const fs::path beside = ProgramFolder() / "stemsmith";
  std::error_code code;
  const std::string program = fs::is_regular_file(beside, code) ? beside.string() : "stemsmith";
  words.insert(words.begin(), program);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output >= 0) {
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  }
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    throw Error::Input(
        "cannot start `stemsmith`, which " + task + ": " + std::string(std::strerror(failed)),
        program, "install it, or give a model file");
  return child;
}

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

// All that comes until the other side closes it.
std::string ReadAll(int input) {
  std::string text;
  char block[4096];
  for (;;) {
    const ssize_t count = read(input, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(block, static_cast<std::size_t>(count));
  }
}

}  // namespace

fs::path DownloadModel(const std::string& name, OutputMode mode) {
  std::vector<std::string> words = {"download", name};
  if (mode == OutputMode::kJson) words.push_back("--json");
  if (mode == OutputMode::kQuiet) words.push_back("--quiet");
  const int status = WaitFor(Start(std::move(words), "downloads models"));
  StopIfInterrupted("the download was stopped", "run this again to continue where it stopped");
  if (status != 0)
    throw Error::Input("the model was not downloaded", "stemsmith download " + name,
                       "it has said why");
  const auto stored = FindStoredModel(name);
  if (!stored) throw Error::Input("the model did not arrive", name, "stemsmith download " + name);
  return stored->file;
}

std::string OwnCatalogueFile() {
  const char* file = std::getenv("STEMSMITH_CATALOGUE");
  return file == nullptr ? "" : file;
}

Catalogue ReadOwnCatalogue() {
  if (OwnCatalogueFile().empty()) return {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error::System("cannot start `stemsmith`", "");
  pid_t child = 0;
  try {
    child = Start({"models", "--catalogue", "--json"}, "reads a catalogue of your own", ends[1]);
  } catch (...) {
    close(ends[0]), close(ends[1]);
    throw;
  }
  close(ends[1]);
  std::istringstream said(ReadAll(ends[0]));
  close(ends[0]);
  const int status = WaitFor(child);
  StopIfInterrupted("stopped");
  std::string why;
  for (std::string line; std::getline(said, line);) {
    const nlohmann::json answer = ParseJson(line);
    if (status == 0 && answer.is_object() && answer.contains("catalogue"))
      return CatalogueFromJson(answer["catalogue"]);
    constexpr char kError[] = "error: ";
    if (line.starts_with(kError)) why = line.substr(sizeof kError - 1);
  }
  throw Error::Input(why.empty() ? "`stemsmith models --catalogue` fails" : why,
                     why.empty() ? OwnCatalogueFile() : "", "STEMSMITH_CATALOGUE names this file");
}

}  // namespace stemsmith
