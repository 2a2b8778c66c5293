#include "serve/http/http.h"

#include <strings.h>

#include <nlohmann/json.hpp>

namespace stemsmith {

std::string HttpRequest::Header(const std::string& name) const {
  for (const auto& [key, value] : headers)
    if (strcasecmp(key.c_str(), name.c_str()) == 0) return value;
  return "";
}

HttpError::HttpError(int status, const std::string& detail,
                     std::vector<std::pair<std::string, std::string>> headers)
    : std::runtime_error(detail), status_(status), headers_(std::move(headers)) {}

}  // namespace stemsmith
