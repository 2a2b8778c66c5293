// Dates and times as texts.
#pragma once

#include <ctime>
#include <string>

namespace stemsmith {

// `when` in UTC by a format of strftime ("%Y-%m-%d"), at most 99 characters.
std::string UtcText(const char* format, std::time_t when = std::time(nullptr));

}  // namespace stemsmith
