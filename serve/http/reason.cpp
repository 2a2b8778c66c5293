#include "serve/http/reason.h"

#include <algorithm>
#include <iterator>

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
                               {421, "Misdirected Request"},
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

}  // namespace

const char* HttpReason(int status) {
  const auto row = std::find_if(std::begin(kReasons), std::end(kReasons),
                                [&](const Reason& reason) { return reason.status == status; });
  return row == std::end(kReasons) ? "Status" : row->text;
}

}  // namespace stemsmith
