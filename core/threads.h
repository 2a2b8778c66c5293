// How many threads compute one thing together, and starting them.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/option.h"

namespace stemsmith {

inline int Processors() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// `wanted`, or one per processor for 0. Threads that compute together wait for the slowest of them
// after every operation: far more than there are processors seem to hang. Some more are taken,
// since a result may have been computed on a larger machine. Throws Error::Usage.
inline int ComputeThreads(int wanted) {
  const int processors = Processors(), most = std::max(64, 4 * processors);
  if (wanted < 0 || wanted > most) {
    throw Error::Usage(std::to_string(wanted) + " compute threads on " +
                           std::to_string(processors) + " processors",
                       Option("threads"),
                       "give 1 to " + std::to_string(most) + ", or 0 for one per processor");
  }
  return wanted > 0 ? wanted : processors;
}

// Starts `count` threads of `work`, or as many of them as the system starts. Throws Error where it
// starts none.
std::vector<std::thread> StartThreads(int count, const std::function<void()>& work);

}  // namespace stemsmith
