// The start and the end of a program: its standard output, its signals. Each case is a process of
// its own.
#include "apps/output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <fstream>

#include "apps/terminal.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

void SendOutputTo(const char* path) {
  const int file = open(path, O_WRONLY);
  dup2(file, STDOUT_FILENO);
  close(file);
}

// A pipe that nobody reads.
void SendOutputNowhere() {
  int ends[2];
  if (pipe(ends) != 0) _exit(99);
  dup2(ends[1], STDOUT_FILENO);
  close(ends[0]), close(ends[1]);
}

void Sleep(int milliseconds) {
  const timespec time{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  nanosleep(&time, nullptr);
}

TEST(Output, ThatIsLostIsAnErrorAtTheEnd) {
  const auto print = [](const auto& words) {
    StartProgram();
    SendOutputTo("/dev/full");
    words();
    if (OutputWorks()) _exit(98);
    _exit(FinishProgram(0));
  };
  constexpr char kMessage[] = "error: cannot write to standard output: No space left on device; ";
  EXPECT_EXIT(print([] { WriteOutput("text\n"); }), ExitedWithCode(1), kMessage);
  EXPECT_EXIT(print([] { PrintResult(OutputMode::kAuto, "text", {}); }), ExitedWithCode(1),
              kMessage);
  EXPECT_EXIT(print([] {
                PrintResult(OutputMode::kJson, "", {{"a", 1}});
              }),
              ExitedWithCode(1), kMessage);
  EXPECT_EXIT(print([] {
                Progress progress(TerminalHost(OutputMode::kJson), {.label = "x"});
                progress.Message("text");
              }),
              ExitedWithCode(1), kMessage);
}

TEST(Output, ShowsOptionsAsFlagsAndLinesAroundTheBar) {
  EXPECT_EXIT(
      {
        DrawBar("bar");
        WriteError("give fewer " + Option("threads"));
        DrawBar("");
        DrawBar("");
        WriteError("end");
        _exit(0);
      },
      ExitedWithCode(0),
      ::testing::Eq("\r\033[Kbar\r\033[Kgive fewer --threads\nbar\r\033[Kend\n"));
}

TEST(Output, KeepsTheExitStatusOfWhatFailedBefore) {
  const auto end = [](int status) {
    SendOutputTo("/dev/full");
    WriteOutput("text\n");
    _exit(FinishProgram(status));
  };
  EXPECT_EXIT(end(143), ExitedWithCode(143), "cannot write to standard output");
  EXPECT_EXIT(end(2), ExitedWithCode(2), "cannot write to standard output");
  EXPECT_EXIT(_exit(FinishProgram(0)), ExitedWithCode(0), "^$");
}

TEST(Output, ThatIsClosedIsAnErrorAndTakesNoFilesPlace) {
  EXPECT_EXIT(
      {
        close(STDOUT_FILENO);
        StartProgram();
        const int file = open("/dev/null", O_WRONLY);
        if (file <= STDERR_FILENO) _exit(98);
        WriteOutput("text\n");
        _exit(FinishProgram(0));
      },
      ExitedWithCode(1), "cannot write to standard output: Bad file descriptor");
}

TEST(Output, ThatNobodyReadsEndsQuietly) {
  EXPECT_EXIT(
      {
        SendOutputNowhere();
        WriteOutput("text\n");
      },
      KilledBySignal(SIGPIPE), "^$");
  // Long work is asked to stop instead, and leaves what it has.
  EXPECT_EXIT(
      {
        CatchInterrupts();
        SendOutputNowhere();
        for (int i = 0; i < 3; ++i) WriteOutput("text\n");
        if (InterruptSignal() != SIGPIPE) _exit(98);
        _exit(FinishProgram(0));
      },
      ExitedWithCode(141), "^$");
}

TEST(Program, TurnsAFileSizeLimitIntoAnError) {
  testing::TemporaryFolder folder;
  EXPECT_EXIT(
      {
        StartProgram();
        rlimit limit;
        limit.rlim_cur = limit.rlim_max = 1000;
        setrlimit(RLIMIT_FSIZE, &limit);
        try {
          WriteFileAtomically(folder / "file", std::string(100'000, 'x'));
        } catch (const Error& error) {
          std::fputs(error.what(), stderr);
          _exit(error.exit_status());
        }
        _exit(0);
      },
      ExitedWithCode(1), "cannot write: File too large .*; raise the limit of file sizes");
}

TEST(Interrupts, AreHeardAndGiveTheirExitCode) {
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          CatchInterrupts();
          raise(signal);
          try {
            StopIfInterrupted("the work was interrupted");
          } catch (const Error& error) {
            std::fputs(error.what(), stderr);
            if (!error.stopped_by_signal()) _exit(98);
            _exit(error.exit_status());
          }
          _exit(0);
        },
        ExitedWithCode(128 + signal), "^the work was interrupted$");
  }
}

TEST(Interrupts, IgnoredAtTheStartStayIgnored) {
  for (const int number : {SIGHUP, SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          signal(number, SIG_IGN);
          CatchInterrupts();
          raise(number);
          _exit(InterruptSignal());
        },
        ExitedWithCode(0), "");
  }
}

TEST(Interrupts, ASecondOneALittleLaterEndsAtOnce) {
  for (const int second : {SIGHUP, SIGTERM, SIGINT}) {
    // Terminals, shells and launchers pass a signal on: the same one arrives twice.
    EXPECT_EXIT(
        {
          CatchInterrupts();
          for (int i = 0; i < 3; ++i) raise(second);
          _exit(InterruptSignal());
        },
        ExitedWithCode(second), "");
    EXPECT_EXIT(
        {
          CatchInterrupts();
          raise(SIGINT);
          Sleep(600);
          raise(second);
          _exit(98);
        },
        ExitedWithCode(128 + second), "");
  }
}

}  // namespace
}  // namespace stemsmith
