// The target of a request: its path and its query, decoded strictly.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stemsmith {

struct HttpTarget {
  std::string authority;              // of "http://HOST/PATH", else empty
  std::string path;                   // as sent
  std::vector<std::string> segments;  // of the path, decoded: no '/', no control characters, UTF-8
  std::vector<std::pair<std::string, std::string>> query;  // decoded: no NUL, UTF-8
};

// Throws HttpError 400: bad escapes, segments "." and "..", a fragment, what is not a path.
HttpTarget ParseTarget(std::string_view target);

// Of "%41b"; of `form` also '+' as a space. Throws HttpError 400: escapes that are none.
std::string PercentDecoded(std::string_view text, bool form);

bool IsUtf8(std::string_view text);

}  // namespace stemsmith
