// Runs the tests of one program. When it crashes, it says in which test and where, so that a crash
// that is seen once can be traced.
#include <execinfo.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

char current_test[256] = "no test";

class TestName : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo& test) override {
    std::snprintf(current_test, sizeof current_test, "%s.%s", test.test_suite_name(), test.name());
  }
  void OnTestEnd(const ::testing::TestInfo& test) override {
    std::snprintf(current_test, sizeof current_test, "the end of %s.%s", test.test_suite_name(),
                  test.name());
  }
};

void Say(const char* text) {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

// Only what a signal handler may call; backtrace() was called before, which loads what it needs.
[[maybe_unused]] void OnCrash(int signal) {
  Say("\nCRASHED in ");
  Say(current_test);
  Say(": ");
  const char* name = sigabbrev_np(signal);
  Say(name != nullptr ? name : "?");
  Say("\n");
  void* frames[64];
  backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
  raise(signal);  // SA_RESETHAND: now it ends the program
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  // Programs under test keep no compiled models in the home of who runs them.
  setenv("STEMSMITH_COMPILED_MODELS", "", 0);
  // A shell starts its background jobs with this one ignored, and so would programs under test.
  signal(SIGINT, SIG_DFL);
  ::testing::UnitTest::GetInstance()->listeners().Append(new TestName);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // sanitizers have their own
  void* frames[1];
  backtrace(frames, 1);
  struct sigaction action = {};
  action.sa_handler = OnCrash;
  action.sa_flags = SA_RESETHAND;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    sigaction(signal, &action, nullptr);
#endif
  return RUN_ALL_TESTS();
}
