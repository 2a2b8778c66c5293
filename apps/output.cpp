#include "apps/output.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <mutex>

#include "core/current_error.h"
#include "core/error.h"
#include "core/option.h"
#include "core/visible_text.h"

namespace stemsmith {
namespace {

// The first reason why output was lost.
std::atomic<int> output_failure{0};

std::mutex errors;  // guards the line below, and what is written to stderr
std::string bar_shown;

}  // namespace

void StartProgram() {
  signal(SIGXFSZ, SIG_IGN);
  // Read-only: what is written to a closed stream still fails. open() takes the lowest number.
  for (int file = 0; file <= STDERR_FILENO; ++file)
    if (fcntl(file, F_GETFD) < 0) (void)open("/dev/null", O_RDONLY);
}

void WriteOutput(const std::string& text) {
  WriteOutputBytes(ShowOptions(text, OptionStyle::kFlag));
}

void WriteOutputBytes(const std::string& bytes) {
  if (!OutputWorks()) return;
  errno = 0;
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
      std::fflush(stdout) != 0)
    output_failure = errno != 0 ? errno : EIO;
}

bool OutputWorks() { return output_failure == 0; }

void WriteError(const std::string& line) {
  const std::lock_guard guard(errors);
  const char* clear = bar_shown.empty() ? "" : "\r\033[K";
  std::cerr << clear + VisibleText(ShowOptions(line, OptionStyle::kFlag)) + '\n' + bar_shown
            << std::flush;
}

void WriteError(const Error& error) { WriteError("error: " + error.text()); }

int WriteCurrentError() {
  const Error error = CurrentError();
  if (error.code() != ExitCode::kPipeClosed) WriteError(error);
  return error.exit_status();
}

void DrawBar(const std::string& bar) {
  const std::lock_guard guard(errors);
  if (bar.empty() && bar_shown.empty()) return;
  bar_shown = bar;
  std::cerr << "\r\033[K" + bar << std::flush;
}

int FinishProgram(int status) {
  // Some file systems tell no earlier than at the end.
  if (OutputWorks() && close(STDOUT_FILENO) != 0 && errno != EINTR) output_failure = errno;
  if (OutputWorks()) return status;
  if (output_failure == EPIPE)
    return status == 0 ? static_cast<int>(ExitCode::kPipeClosed) : status;
  errno = output_failure;
  WriteError(Error::Write("cannot write to standard output", ""));
  return status == 0 ? static_cast<int>(ExitCode::kInputFailed) : status;
}

}  // namespace stemsmith
