#include "core/for_each_song.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "core/threads.h"

namespace stemsmith {

int ForEachSong(std::size_t count, int threads, const Host& host,
                const std::function<void(std::size_t song, const StopQuestion& stop)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<int> signal{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex mutex;
  const StopQuestion stop = [&] {
    if (int none = 0; signal == 0) signal.compare_exchange_strong(none, host.StopSignal());
    return failed || signal != 0;
  };
  const auto run = [&] {
    try {
      while (!stop()) {
        const std::size_t song = next++;
        if (song >= count) return;
        work(song, stop);
      }
    } catch (...) {
      const std::lock_guard guard(mutex);
      if (!failure) failure = std::current_exception();
      failed = true;
    }
  };
  const std::size_t wanted = static_cast<std::size_t>(threads > 0 ? threads : Processors());
  for (std::thread& thread : StartThreads(static_cast<int>(std::min(wanted, count)), run))
    thread.join();
  if (failure) std::rethrow_exception(failure);
  return signal;
}

}  // namespace stemsmith
