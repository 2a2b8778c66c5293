// One request to a web server, by libcurl, which lies in a module of its own: it brings thirty
// libraries that nothing else needs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace stemsmith {

// The last answer's head, after redirects.
struct HttpAnswer {
  int status = 0;
  std::uint64_t begin = 0;             // of the bytes that follow, in the whole file
  std::optional<std::uint64_t> whole;  // bytes of the whole file, where the server says so
  std::string validator;  // a strong ETag, or the date of the last change; may be empty
  int retry_after_s = 0;
};

struct HttpGetRequest {
  std::string address;
  std::uint64_t begin = 0;  // bytes before it are not wanted again …
  std::string validator;    // … if the file is still the one of this validator
  int connect_s = 20;
  int stall_s = 60;  // less than a byte per second for so long: given up
  std::function<void(const HttpAnswer&)> start;  // before the first bytes of a 200 or 206
  std::function<void(const char*, std::size_t)> data;
  std::function<bool()> stop;  // asked about once a second, and with each piece of data
};

struct HttpResult {
  HttpAnswer answer;
  std::string problem;   // why the body did not arrive whole, for people; "": it did
  bool offline = false;  // no server was reached at all, or none that can be trusted
};

// What `start`, `data` and `stop` throw comes out again. Proxies are those of the environment
// (https_proxy, no_proxy). Redirects are followed, from https to https only. The symbol
// `stemsmith_http_get` of the module libstemsmith_curl.so.
using HttpGetFunction = HttpResult (*)(const HttpGetRequest& request);

// Loads the module. Throws Error where it or libcurl is missing.
HttpResult HttpGet(const HttpGetRequest& request);

}  // namespace stemsmith
