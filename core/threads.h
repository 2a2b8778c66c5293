// Threads that share one piece of work.
#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace stemsmith {

// Starts `count` threads of `work`, or as many of them as the system starts. Throws Error where it
// starts none.
std::vector<std::thread> StartThreads(int count, const std::function<void()>& work);

}  // namespace stemsmith
