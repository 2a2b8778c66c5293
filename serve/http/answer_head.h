// The header of an answer as bytes.
#pragma once

#include <cstdint>
#include <string>

#include "serve/http/http.h"

namespace stemsmith {

struct AnswerEnd {
  std::int64_t length = 0;  // of the body; -1: none is said, the connection's end ends it
  bool keep_alive = true;
  bool to_http_1_0 = false;
};
// `more` are headers that the answer may have itself. Line ends within headers become spaces.
std::string AnswerHead(const HttpResponse& response, const AnswerEnd& end,
                       const std::vector<std::pair<std::string, std::string>>& more);

}  // namespace stemsmith
