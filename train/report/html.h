// Pieces of HTML. Private to train/report/.
#pragma once

#include <string>
#include <string_view>

namespace stemsmith {

// Text as it may stand between tags and in quoted attributes; bytes that are no UTF-8 become "?".
std::string Escaped(std::string_view text);
// "data:TYPE;base64,…".
std::string DataUri(const std::string& type, std::string_view bytes);

}  // namespace stemsmith
