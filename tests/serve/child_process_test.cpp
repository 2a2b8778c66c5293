// Programs as children, with every way in which they end.
#include "serve/child_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using ::testing::SizeIs;

struct Heard {
  std::vector<std::string> lines;
  ChildResult result;
};

Heard Shell(const std::string& script, const ChildLimits& limits = {},
            const CancelSwitch* cancel = nullptr) {
  Heard heard;
  heard.result = RunChild({"/bin/sh", "-c", script}, limits,
                          [&](std::string_view line) { heard.lines.emplace_back(line); }, cancel);
  return heard;
}

// Whether a process is there and no zombie.
bool Lives(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  return !text.empty() && text.find(") Z ") == std::string::npos;
}

// What ends others ends them a moment later.
bool EndsSoon(const std::string& pid) {
  for (int i = 0; i < 500 && Lives(pid); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return !Lives(pid);
}

TEST(ChildProcess, GivesItsLinesItsStatusAndItsErrors) {
  const Heard heard = Shell("echo one; echo; echo bad >&2; printf three; exit 3");
  EXPECT_THAT(heard.lines, ElementsAre("one", "", "three"));
  EXPECT_EQ(heard.result.exit_status, 3);
  EXPECT_EQ(heard.result.signal, 0);
  EXPECT_EQ(heard.result.stopped, ChildStop::kNone);
  EXPECT_EQ(heard.result.error_output, "bad\n");
}

TEST(ChildProcess, InheritsNothingButItsPlaceInTheSystem) {
  const int open_file = open("/dev/zero", O_RDONLY);  // without O_CLOEXEC
  const Heard heard = Shell("cat; echo /proc/self/fd/*; ulimit -c; nice");
  close(open_file);
  ASSERT_THAT(heard.lines, SizeIs(3));
  EXPECT_THAT(heard.lines[0], ::testing::Not(HasSubstr("/" + std::to_string(open_file) + " ")));
  EXPECT_EQ(heard.lines[1], "0");
  EXPECT_EQ(heard.lines[2], std::to_string(std::min(19, nice(0) + 5)));
}

TEST(ChildProcess, SaysWhichSignalEndedIt) {
  const Heard heard = Shell("kill -SEGV $$");
  EXPECT_EQ(heard.result.signal, SIGSEGV);
  EXPECT_EQ(heard.result.stopped, ChildStop::kNone);
}

TEST(ChildProcess, ThatCannotBeStartedIsAnError) {
  const auto start = [](const std::string& program) {
    return testing::MessageOf([&] { RunChild({program}, {}, {}); });
  };
  EXPECT_THAT(start("/nowhere/program"), HasSubstr("cannot start the program: No such file"));
  EXPECT_THAT(start("/dev/null"), HasSubstr("Permission denied"));
}

TEST(ChildProcess, EndsWhenItsTimeIsOver) {
  const Heard heard = Shell("echo begun; sleep 100", {.seconds = 0.3});
  EXPECT_THAT(heard.lines, ElementsAre("begun"));
  EXPECT_EQ(heard.result.stopped, ChildStop::kTime);
  EXPECT_EQ(heard.result.signal, SIGTERM);
}

TEST(ChildProcess, IsKilledWhenItIgnoresThatItIsToEnd) {
  const Heard heard = Shell("trap 'echo no' TERM; while :; do sleep 0.05; done",
                            {.seconds = 0.2, .grace_seconds = 0.3});
  EXPECT_THAT(heard.lines, ElementsAre("no"));
  EXPECT_EQ(heard.result.stopped, ChildStop::kTime);
  EXPECT_EQ(heard.result.signal, SIGKILL);
}

TEST(ChildProcess, IsCancelledFromAnotherThread) {
  CancelSwitch cancel;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    cancel.Cancel();
  });
  // What it does at its end is heard.
  const Heard heard = Shell("trap 'echo saved; exit 143' TERM; sleep 100 & wait", {}, &cancel);
  other.join();
  EXPECT_THAT(heard.lines, ElementsAre("saved"));
  EXPECT_EQ(heard.result.stopped, ChildStop::kCancelled);
  EXPECT_EQ(heard.result.exit_status, 143);
  EXPECT_EQ(Shell("sleep 100", {}, &cancel).result.stopped, ChildStop::kCancelled);
}

TEST(ChildProcess, IsKilledWithItsOwnChildrenWhenTheyTakeTooMuchMemory) {
  constexpr std::int64_t kLimit = 50'000'000;
  // `tail` holds it all, as nobody takes it.
  const Heard heard = Shell("head -c 75000000 /dev/zero | tail -c 75000000 | sleep 100",
                            {.memory_bytes = kLimit});
  EXPECT_EQ(heard.result.stopped, ChildStop::kMemory);
  EXPECT_EQ(heard.result.signal, SIGKILL);
  EXPECT_GT(heard.result.peak_memory_bytes, kLimit);
  const Heard small = Shell("ulimit -d; sleep 0.3", {.memory_bytes = kLimit});
  EXPECT_THAT(small.lines, ElementsAre(std::to_string(2 * kLimit / 1024)));
  EXPECT_EQ(small.result.stopped, ChildStop::kNone);
  EXPECT_GT(small.result.peak_memory_bytes, 100'000);
  EXPECT_LT(small.result.peak_memory_bytes, 20'000'000);
}

TEST(ChildProcess, WritesNoFileAboveItsLimit) {
  const testing::TemporaryFolder folder;
  const std::string file = (folder / "file").string();
  const Heard heard = Shell("exec head -c 1000000 /dev/zero > " + file, {.file_bytes = 100'000});
  EXPECT_EQ(heard.result.signal, SIGXFSZ);
  EXPECT_EQ(std::filesystem::file_size(file), 100'000u);
}

TEST(ChildProcess, TakesItsOwnChildrenAlong) {
  const Heard heard = Shell("sleep 100 & echo $!; exit 0");
  ASSERT_THAT(heard.lines, SizeIs(1));
  EXPECT_EQ(heard.result.exit_status, 0);
  EXPECT_TRUE(EndsSoon(heard.lines[0]));
}

TEST(ChildProcess, BytesWithoutEndTakeLittleMemory) {
  const Heard heard =
      Shell("head -c 20000000 /dev/zero; echo; echo next; head -c 9000 /dev/zero >&2");
  ASSERT_THAT(heard.lines, SizeIs(2));
  EXPECT_THAT(heard.lines[0], SizeIs(64 << 10));
  EXPECT_EQ(heard.lines[1], "next");
  EXPECT_THAT(heard.result.error_output, SizeIs(4 << 10));
}

TEST(ChildProcess, IsGoneWhenWhoHearsItThrows) {
  std::string pid;
  EXPECT_THROW(RunChild({"/bin/sh", "-c", "echo $$; exec sleep 100"}, {},
                        [&](std::string_view line) {
                          pid = line;
                          throw std::runtime_error("enough");
                        }),
               std::runtime_error);
  EXPECT_FALSE(Lives(pid));
}

TEST(ChildProcess, AHundredRunAtOnce) {
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&right, i] {
      const Heard heard = Shell("echo " + std::to_string(i) + "; echo e >&2; exit " +
                                std::to_string(i));
      if (heard.lines == std::vector{std::to_string(i)} && heard.result.exit_status == i &&
          heard.result.error_output == "e\n")
        ++right;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 100);
}

TEST(ChildProcess, DoesNotOutliveItsParent) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    RunChild({"/bin/sh", "-c", "trap '' TERM HUP; echo $$; while :; do sleep 1; done"}, {},
             [&](std::string_view line) {
               [[maybe_unused]] const auto written = write(ends[1], line.data(), line.size());
               close(ends[1]);
             });
    _exit(0);
  }
  close(ends[1]);
  char text[32] = {};
  ASSERT_GT(read(ends[0], text, sizeof(text) - 1), 0);
  close(ends[0]);
  EXPECT_TRUE(Lives(text));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(EndsSoon(text));
}

}  // namespace
}  // namespace stemsmith
