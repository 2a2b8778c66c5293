#include "core/threads.h"

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

}  // namespace stemsmith
