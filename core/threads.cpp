#include "core/threads.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>

#include "core/current_error.h"

namespace stemsmith {

std::vector<std::thread> StartThreads(int count, const std::function<void()>& work) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  try {
    for (int i = 0; i < count; ++i) threads.emplace_back(work);
  } catch (const std::system_error& error) {
    if (threads.empty()) throw SystemError(error.code(), "cannot start a thread", "");
  }
  return threads;
}

void ForEachSong(std::size_t count, int threads, const std::function<bool()>& stop,
                 const std::function<void(std::size_t song)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto run = [&] {
    while (!failed) {
      try {
        if (stop && stop()) return;
        const std::size_t song = next++;
        if (song >= count) return;
        work(song);
      } catch (...) {
        const std::lock_guard guard(mutex);
        if (!failure) failure = std::current_exception();
        failed = true;
      }
    }
  };
  const std::size_t wanted = static_cast<std::size_t>(threads > 0 ? threads : Processors());
  for (std::thread& thread : StartThreads(static_cast<int>(std::min(wanted, count)), run))
    thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace stemsmith
