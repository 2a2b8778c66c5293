// Names of songs in lines that people read.
#pragma once

#include <string>
#include <string_view>

namespace stemsmith {

// With control characters as escapes, "\n" and "\x1b": a name can neither break a line nor command
// a terminal. Letters of UTF-8 stay.
std::string VisibleText(std::string_view text);

}  // namespace stemsmith
