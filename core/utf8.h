// Texts from outside, which may hold any bytes, as UTF-8.
#pragma once

#include <string>

namespace stemsmith {

// The text, with bytes that are not UTF-8 written as \xHH; `changed` tells that there were some.
std::string AsUtf8(const std::string& bytes, bool* changed);

// UTF-8 with small letters for capital ones, of all scripts; letter by letter, whatever the locale.
std::string WithSmallLetters(const std::string& text);

}  // namespace stemsmith
