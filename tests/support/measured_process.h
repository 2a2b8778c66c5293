// A program run without a shell, with what it used.
#pragma once

#include <string>
#include <vector>

namespace stemsmith::testing {

struct MeasuredProcess {
  int status = 0;                // exit code, 128 + signal when killed
  double cpu_seconds = 0;        // user and system, so that a busy machine does not count
  double peak_memory_bytes = 0;  // resident
};
// Output goes to /dev/null.
MeasuredProcess RunMeasured(const std::vector<std::string>& arguments);

// AddressSanitizer keeps what was freed for a while.
#ifdef __SANITIZE_ADDRESS__
inline constexpr int kHeldPerUsed = 4;
#else
inline constexpr int kHeldPerUsed = 1;
#endif

}  // namespace stemsmith::testing
