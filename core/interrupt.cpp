#include "core/interrupt.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "core/error.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kInsistsAfterMs = 500;

std::atomic<int> caught{0};
std::atomic<std::int64_t> caught_at_ms{0};
static_assert(std::atomic<int>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free,
              "the handler below must not lock");

std::int64_t NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void Handle(int signal) {
  int none = 0;
  if (caught.compare_exchange_strong(none, signal)) {
    caught_at_ms = NowMs();
  } else if (signal != SIGPIPE && NowMs() - caught_at_ms >= kInsistsAfterMs) {
    _exit(128 + signal);
  }
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = Handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : kStopSignals) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

int InterruptSignal() { return caught.load(); }

void StopIfInterrupted(const std::string& what, const std::string& advice) {
  if (const int signal = InterruptSignal(); signal != 0) throw Error::Stopped(signal, what, advice);
}

}  // namespace stemsmith
