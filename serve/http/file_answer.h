// What of a file is sent: conditions and ranges (RFC 9110, sections 13 and 14).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "serve/http/http.h"

namespace stemsmith {

struct FilePart {
  int status = 200;  // 206, 304, 416
  std::int64_t begin = 0, length = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // Content-Range, ETag, …
};

// Of a file of `size` bytes, for a GET or HEAD. `etag` without quotes. A Range of another unit,
// of several parts, or that is none, is as if it were not there.
FilePart PartOfFile(const HttpRequest& request, std::int64_t size, const std::string& etag);

// Whether If-None-Match of the request names the tag, or anything ('*').
bool NamesTag(const std::string& if_none_match, const std::string& etag);

}  // namespace stemsmith
