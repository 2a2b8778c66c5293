#include "serve/http/server.h"

#include <utility>

#include "serve/http/server_core.h"

namespace stemsmith {

HttpServer::HttpServer(const HttpServerOptions& options, std::vector<HttpRoute> routes)
    : core_(std::make_unique<HttpServerCore>(options, std::move(routes))) {}
HttpServer::~HttpServer() = default;

int HttpServer::port() const { return core_->port; }

HttpFigures HttpServer::figures() const {
  HttpFigures figures;
  figures.event_streams = core_->event_streams;
  figures.received_bytes = core_->received;
  figures.sent_bytes = core_->sent;
  const std::lock_guard guard(core_->mutex);
  figures.connections = core_->connection_count;
  figures.answers = core_->answers;
  return figures;
}

void HttpServer::Stop(std::chrono::seconds grace) { core_->Stop(grace); }

std::shared_ptr<EventChannel> HttpServer::MakeEventChannel() { return core_->hub->MakeChannel(); }

}  // namespace stemsmith
