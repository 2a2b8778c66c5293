#include "core/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace stemsmith {
namespace {

std::atomic<int> caught{0};
static_assert(std::atomic<int>::is_always_lock_free, "the handler below must not lock");

void Handle(int signal) {
  // A second Ctrl-C means now.
  if (caught.exchange(signal) != 0 && signal == SIGINT) _exit(128 + SIGINT);
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = Handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int InterruptSignal() { return caught.load(); }

}  // namespace stemsmith
