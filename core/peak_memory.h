// How much memory this process has taken.
#pragma once

#include <cstdint>

namespace stemsmith {

// Bytes, resident, at most so far; 0 where the system does not say. Unlike getrusage(), which in a
// program that another one has started also counts what that one held before.
std::int64_t PeakMemory();

}  // namespace stemsmith
