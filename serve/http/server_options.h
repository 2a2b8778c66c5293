// What an HttpServer is asked for, and what it says of itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serve/http/http.h"

namespace stemsmith {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address, or a name; of a name's addresses the first
  int port = 8080;                 // 0: any that is free
  std::string tls_certificate, tls_key;  // PEM files; both or none
  int threads = 8;                       // of the pool
  int most_waiting = 1024;               // requests that wait for a thread of it; more get 503
  int most_connections = 4096;
  std::size_t most_header_bytes = 16 << 10;  // else 431
  std::size_t most_small_body_bytes = 64 << 10;  // else 413
  std::chrono::seconds header_timeout{10};  // until a request's header is complete
  // Of a connection without a request, and of a body or an answer that stands still.
  std::chrono::seconds idle_timeout{30};
  // A body or answer slower than this over a minute is given up. The time that routes and sinks
  // take does not count.
  std::int64_t slowest_bytes_per_s = 512;
  std::chrono::seconds slowest_over{60};
  std::chrono::seconds event_pause{15};  // then a comment keeps a stream of events alive
  // Asked of every request before its route, on the network's thread: an answer ends it there.
  std::function<std::optional<HttpResponse>(const HttpRequest& request)> check;
  // Sent with every answer that does not have a header of the same name.
  std::vector<std::pair<std::string, std::string>> headers;
  std::function<void(const std::string& line)> log;  // faults of the server; any thread
};

struct HttpFigures {
  std::int64_t connections = 0;  // now
  std::int64_t event_streams = 0;  // now
  std::int64_t received_bytes = 0, sent_bytes = 0;  // of bodies
  std::map<int, std::int64_t> answers;  // by status
};

}  // namespace stemsmith
