// The HTTP/1.1 server: one thread for all connections (event-driven, Boost.Asio; Boost.Beast parses
// requests), a pool of threads for routes. Its memory does not grow with what is sent or received.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
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

class HttpServer {
 public:
  // Throws Error: the address is in use or not of this machine, a certificate does not fit its key.
  HttpServer(const HttpServerOptions& options, std::vector<HttpRoute> routes);
  ~HttpServer();  // Stop() at once
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  HttpFigures figures() const;
  // No new connections; requests in work may end within `grace`, event streams end at once.
  void Stop(std::chrono::seconds grace);

  // A new one, whose listeners are those that routes connect to it. It must not outlive the server.
  std::shared_ptr<EventChannel> MakeEventChannel();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
