// Lengths of audio in words.
#pragma once

#include <string>

namespace stemsmith {

// 45 → "45 s", 108 → "1 min 48 s", 7500 → "2 h 05 min".
std::string LengthText(double seconds);

}  // namespace stemsmith
