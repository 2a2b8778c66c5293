#include "serve/http/http.h"

#include <strings.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "serve/http/reason.h"

namespace stemsmith {

std::string HttpRequest::Header(const std::string& name) const {
  for (const auto& [key, value] : headers)
    if (strcasecmp(key.c_str(), name.c_str()) == 0) return value;
  return "";
}

std::optional<std::string> HttpRequest::Cookie(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (strcasecmp(key.c_str(), "cookie") != 0) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      std::string_view pair = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
      while (!pair.empty() && pair.back() == ' ') pair.remove_suffix(1);
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view found = pair.substr(equals + 1);
      if (found.size() >= 2 && found.front() == '"' && found.back() == '"')
        found = found.substr(1, found.size() - 2);
      return std::string(found);
    }
  }
  return {};
}

HttpError::HttpError(int status, const std::string& detail,
                     std::vector<std::pair<std::string, std::string>> headers)
    : std::runtime_error(detail), status_(status), headers_(std::move(headers)) {}

HttpResponse ProblemResponse(const HttpError& error) {
  const nlohmann::ordered_json problem = {{"type", "about:blank"},
                                          {"title", HttpReason(error.status())},
                                          {"status", error.status()},
                                          {"detail", error.what()}};
  HttpResponse response;
  response.status = error.status();
  response.content_type = "application/problem+json";
  response.headers = error.headers();
  // Details quote requests: what is not UTF-8 in them must not be an error again.
  response.body = problem.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  return response;
}

}  // namespace stemsmith
