#include "serve/http/answer_head.h"

#include <strings.h>

#include <algorithm>

#include "core/utc_text.h"

namespace stemsmith {
namespace {

struct Reason {
  int status;
  const char* text;
};
constexpr Reason kReasons[] = {{100, "Continue"},
                               {200, "OK"},
                               {201, "Created"},
                               {202, "Accepted"},
                               {204, "No Content"},
                               {206, "Partial Content"},
                               {301, "Moved Permanently"},
                               {302, "Found"},
                               {303, "See Other"},
                               {304, "Not Modified"},
                               {307, "Temporary Redirect"},
                               {308, "Permanent Redirect"},
                               {400, "Bad Request"},
                               {401, "Unauthorized"},
                               {403, "Forbidden"},
                               {404, "Not Found"},
                               {405, "Method Not Allowed"},
                               {406, "Not Acceptable"},
                               {408, "Request Timeout"},
                               {409, "Conflict"},
                               {410, "Gone"},
                               {411, "Length Required"},
                               {412, "Precondition Failed"},
                               {413, "Content Too Large"},
                               {414, "URI Too Long"},
                               {415, "Unsupported Media Type"},
                               {416, "Range Not Satisfiable"},
                               {417, "Expectation Failed"},
                               {422, "Unprocessable Content"},
                               {423, "Locked"},
                               {429, "Too Many Requests"},
                               {431, "Request Header Fields Too Large"},
                               {460, "Checksum Mismatch"},
                               {500, "Internal Server Error"},
                               {501, "Not Implemented"},
                               {503, "Service Unavailable"},
                               {505, "HTTP Version Not Supported"},
                               {507, "Insufficient Storage"}};

void Add(std::string& head, const std::string& name, const std::string& value) {
  const std::size_t begin = head.size();
  head += name + ": " + value;
  std::replace_if(
      head.begin() + static_cast<std::ptrdiff_t>(begin), head.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  head += "\r\n";
}

}  // namespace

const char* HttpReason(int status) {
  const auto row = std::find_if(std::begin(kReasons), std::end(kReasons),
                                [&](const Reason& reason) { return reason.status == status; });
  return row == std::end(kReasons) ? "Status" : row->text;
}

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
