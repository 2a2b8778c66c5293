#include "serve/http/answer_head.h"

#include <strings.h>

#include <algorithm>

#include "core/utc_text.h"
#include "serve/http/reason.h"

namespace stemsmith {
namespace {

void Add(std::string& head, const std::string& name, const std::string& value) {
  const std::size_t begin = head.size();
  head += name + ": " + value;
  std::replace_if(
      head.begin() + static_cast<std::ptrdiff_t>(begin), head.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  head += "\r\n";
}

}  // namespace

std::string AnswerHead(const HttpResponse& response, const AnswerEnd& end,
                       const std::vector<std::pair<std::string, std::string>>& more) {
  const int status = response.status;
  std::string head = "HTTP/1.1 " + std::to_string(status) + " " + HttpReason(status) + "\r\n";
  for (const auto& [name, value] : response.headers) Add(head, name, value);
  const auto has = [&](const std::string& name) {
    return std::any_of(response.headers.begin(), response.headers.end(), [&](const auto& header) {
      return strcasecmp(header.first.c_str(), name.c_str()) == 0;
    });
  };
  for (const auto& [name, value] : more)
    if (!has(name)) Add(head, name, value);
  Add(head, "Date", UtcText("%a, %d %b %Y %H:%M:%S GMT"));
  if (!has("Server")) Add(head, "Server", "stemsmith");
  const bool bodyless = status < 200 || status == 204 || status == 304;
  if (!bodyless) {
    if (!response.content_type.empty()) Add(head, "Content-Type", response.content_type);
    if (end.length >= 0) Add(head, "Content-Length", std::to_string(end.length));
  }
  if (!end.keep_alive)
    Add(head, "Connection", "close");
  else if (end.to_http_1_0)
    Add(head, "Connection", "keep-alive");
  return head + "\r\n";
}

}  // namespace stemsmith
