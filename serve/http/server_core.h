// What an HttpServer is made of: accepting connections and the life of one (server_core.cpp),
// reading requests (read_request.cpp), sending answers (send_answer.cpp).
#pragma once

#include <utility>  // first: boost/asio/awaitable.hpp needs it, and does not include it

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "serve/http/connection.h"
#include "serve/http/event_hub.h"
#include "serve/http/request_parser.h"
#include "serve/http/routes.h"
#include "serve/http/sent_file.h"
#include "serve/http/server_options.h"
#include "serve/http/transport.h"

namespace stemsmith {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

struct HttpServerCore {
  // The client has closed, or the server closes.
  struct Gone {};
  struct Answer {
    HttpResponse response;
    std::unique_ptr<SentFile> file;
  };

  HttpServerCore(const HttpServerOptions& options, std::vector<HttpRoute> routes);
  ~HttpServerCore() { Stop(std::chrono::seconds(0)); }
  void Stop(std::chrono::seconds grace);

  void Listen();
  awaitable<void> Accept();
  awaitable<void> Sweep();
  awaitable<void> Serve(std::shared_ptr<HttpConnection> connection);
  awaitable<bool> ServeOne(HttpConnection& connection);
  awaitable<bool> ReadHeader(HttpConnection& connection, HttpRequestParser& parser);
  awaitable<void> Respond(HttpConnection& connection, HttpRequestParser& parser, Answer& answer);
  awaitable<void> TakeBody(HttpConnection& connection, HttpRequestParser& parser,
                           const HttpRoute& route, Answer& answer);
  awaitable<std::size_t> ReadBody(HttpConnection& connection, HttpRequestParser& parser);
  awaitable<void> Continue(HttpConnection& connection, const HttpRequestParser& parser);
  awaitable<void> Send(HttpConnection& connection, const HttpRequestParser& parser, Answer& answer,
                       bool keep_alive);
  awaitable<void> SendFile(HttpConnection& connection, const SentFile& file, std::int64_t begin,
                           std::int64_t length);
  awaitable<void> Write(HttpConnection& connection, const char* bytes, std::size_t size);
  awaitable<void> StreamEvents(HttpConnection& connection);
  awaitable<void> Linger(HttpConnection& connection);
  awaitable<bool> Ready(HttpConnection& connection, Transport::State state,
                        Clock::time_point until);
  awaitable<void> ReadyInPace(HttpConnection& connection, Transport::State state);

  // Runs `work` on a thread of the pool; what it throws is thrown here, as HttpError.
  template <typename Work>
  awaitable<void> OnPool(asio::thread_pool& pool, const HttpRequest& request, Work work);
  void CheckQueue() const;
  [[noreturn]] void ThrowFault(const HttpRequest& request) const;
  void Log(const std::string& line) const {
    if (options.log) options.log(line);
  }
  void Count(int status) {
    const std::lock_guard guard(mutex);
    ++answers[status];
  }

  const HttpServerOptions options;
  const HttpRouteTable routes;
  std::unique_ptr<TlsContext> tls;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer timer{io};
  int port = 0;
  std::shared_ptr<EventHub> hub;
  const std::shared_ptr<const std::string> event_comment = std::make_shared<std::string>(":\n\n");
  std::unordered_set<std::shared_ptr<HttpConnection>> connections;
  std::size_t refused = 0;
  bool stopping = false;
  std::atomic<int> waiting{0};  // for a thread of the pool

  mutable std::mutex mutex;  // of the next two
  std::condition_variable changed;
  std::map<int, std::int64_t> answers;
  std::int64_t connection_count = 0;
  std::atomic<std::int64_t> event_streams{0}, received{0}, sent{0};

  // Last: their threads end before what they work with.
  asio::thread_pool pool, file_pool{2};
  std::thread network;
};

template <typename Work>
awaitable<void> HttpServerCore::OnPool(asio::thread_pool& on, const HttpRequest& request,
                                       Work work) {
  std::exception_ptr thrown;
  auto run = [&] {
    --waiting;
    try {
      work();
    } catch (const HttpError&) {
      thrown = std::current_exception();
    } catch (...) {
      try {
        ThrowFault(request);
      } catch (...) {
        thrown = std::current_exception();
      }
    }
  };
  ++waiting;
  auto initiate = [this, &on, &run](auto handler) {
    asio::post(on, [this, &run, handler = std::move(handler)]() mutable {
      run();
      asio::post(io, std::move(handler));
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(initiate,
                                                                       asio::use_awaitable);
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace stemsmith
