#include "core/program.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <iostream>

#include "core/error.h"

namespace stemsmith {
namespace {

// The first reason why output was lost.
std::atomic<int> output_failure{0};

}  // namespace

void StartProgram() {
  signal(SIGXFSZ, SIG_IGN);
  // Read-only: what is written to a closed stream still fails. open() takes the lowest number.
  for (int file = 0; file <= STDERR_FILENO; ++file)
    if (fcntl(file, F_GETFD) < 0) (void)open("/dev/null", O_RDONLY);
}

void WriteOutput(const std::string& text) {
  if (!OutputWorks()) return;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    output_failure = errno != 0 ? errno : EIO;
}

bool OutputWorks() { return output_failure == 0; }

int FinishProgram(int status) {
  // Some file systems tell no earlier than at the end.
  if (OutputWorks() && close(STDOUT_FILENO) != 0 && errno != EINTR) output_failure = errno;
  if (OutputWorks()) return status;
  if (output_failure == EPIPE)
    return status == 0 ? static_cast<int>(ExitCode::kPipeClosed) : status;
  errno = output_failure;
  std::cerr << "error: " << Error::Write("cannot write to standard output", "").what() << '\n';
  return status == 0 ? static_cast<int>(ExitCode::kInputFailed) : status;
}

}  // namespace stemsmith
