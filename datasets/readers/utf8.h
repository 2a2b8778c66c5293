// Names of files, which may hold any bytes, as texts.
#pragma once

#include <string>

namespace stemsmith {

// The text, with bytes that are not UTF-8 written as \xHH; `changed` tells that there were some.
std::string AsUtf8(const std::string& bytes, bool* changed);

}  // namespace stemsmith
