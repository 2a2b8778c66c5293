// The HTTP/1.1 server: one thread for all connections (event-driven, Boost.Asio; Boost.Beast parses
// requests), a pool of threads for routes. Its memory does not grow with what is sent or received.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "serve/http/http.h"
#include "serve/http/server_options.h"

namespace stemsmith {

struct HttpServerCore;

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
  std::unique_ptr<HttpServerCore> core_;
};

}  // namespace stemsmith
