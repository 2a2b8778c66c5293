#include "serve/http/server_core.h"

#include <signal.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>
#include <cstring>
#include <new>

#include "core/current_error.h"
#include "core/error.h"
#include "core/option.h"
#include "core/text.h"
#include "serve/http/answer_head.h"

namespace stemsmith {
namespace {

constexpr std::size_t kMostRefused = 64;  // connections that are given their 503
constexpr std::chrono::milliseconds kSweep{200};

}  // namespace

HttpServerCore::HttpServerCore(const HttpServerOptions& from, std::vector<HttpRoute> table)
    : options(from),
      routes(std::move(table)),
      hub(std::make_shared<EventHub>(
          [this](std::function<void()> function) { asio::post(io, std::move(function)); })),
      pool(static_cast<std::size_t>(from.threads)) {
  if (options.tls_certificate.empty() != options.tls_key.empty())
    throw Error::Usage("TLS needs a certificate and its key",
                       Option(options.tls_key.empty() ? "tls-key" : "tls-cert"), "give both");
  if (!options.tls_certificate.empty())
    tls = std::make_unique<TlsContext>(options.tls_certificate, options.tls_key);
  Listen();
  asio::co_spawn(io, Accept(), asio::detached);
  asio::co_spawn(io, Sweep(), asio::detached);
  network = std::thread([this] {
    // OpenSSL writes to sockets whose other end may be gone.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    io.run();
  });
}

void HttpServerCore::Listen() {
  boost::system::error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port), error);
  const std::string host = Option("host", options.host);
  if (error || found.empty())
    throw Error::Usage("The host has no address", host, "give an address of this machine");
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (error == boost::system::errc::address_in_use)
    throw Error::Usage("The port is in use", Option("port", std::to_string(options.port)),
                       "choose another one, or 0 for any that is free");
  if (error == boost::system::errc::permission_denied)
    throw Error::Usage("The port may not be used", Option("port", std::to_string(options.port)),
                       "choose one above 1023");
  if (error == boost::system::errc::address_not_available)
    throw Error::Usage("The address is not one of this machine", host,
                       "give one that it has, or 0.0.0.0 for all of them");
  if (error) throw SystemError(error, "Nothing can listen there", host);
  acceptor.non_blocking(true);
  port = acceptor.local_endpoint().port();
}

awaitable<void> HttpServerCore::Accept() {
  while (!stopping) {
    boost::system::error_code error;
    tcp::socket socket = co_await acceptor.async_accept(
        asio::redirect_error(asio::use_awaitable, error));
    if (stopping) break;
    if (error) {
      // Out of descriptors or memory: a moment later there may be some again.
      if (error == asio::error::no_descriptors || error == asio::error::no_memory ||
          error == asio::error::no_buffer_space) {
        Log("No connection can be taken: " + error.message());
        asio::steady_timer pause(io, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      }
      continue;
    }
    const bool full =
        connections.size() - refused >= static_cast<std::size_t>(options.most_connections);
    if (full && refused >= kMostRefused) continue;
    boost::system::error_code ignored;
    const auto end = socket.remote_endpoint(ignored);
    if (ignored) continue;
    socket.non_blocking(true, ignored);
    socket.set_option(tcp::no_delay(true), ignored);
    auto address = end.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
      address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    std::shared_ptr<HttpConnection> connection;
    try {
      connection = std::make_shared<HttpConnection>(std::move(socket), tls.get());
    } catch (const std::bad_alloc&) {
      Log("No connection can be taken: no memory");
      continue;
    }
    connection->self = connection;
    connection->remote = address.to_string();
    connection->sent = &sent;
    connection->refused = full;
    refused += full ? 1 : 0;
    connections.insert(connection);
    {
      const std::lock_guard guard(mutex);
      ++connection_count;
    }
    asio::co_spawn(io, Serve(std::move(connection)), asio::detached);
  }
}

awaitable<void> HttpServerCore::Sweep() {
  for (;;) {
    boost::system::error_code error;
    timer.expires_after(kSweep);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    const auto now = Clock::now();
    for (const auto& connection : connections) {
      if (now >= connection->deadline) {
        connection->deadline = Clock::time_point::max();
        connection->expired = true;
        boost::system::error_code ignored;
        connection->socket.cancel(ignored);
      }
      if (connection->channel && now - connection->last_event >= options.event_pause) {
        connection->last_event = now;
        connection->Deliver(event_comment);
      }
    }
  }
}

// True once the socket is ready, false after `until`. Throws Gone.
awaitable<bool> HttpServerCore::Ready(HttpConnection& connection, Transport::State state,
                                      Clock::time_point until) {
  if (connection.gone) throw Gone();
  boost::system::error_code error;
  connection.expired = false;
  connection.deadline = until;
  co_await connection.socket.async_wait(
      state == Transport::State::kMustRead ? tcp::socket::wait_read : tcp::socket::wait_write,
      asio::redirect_error(asio::use_awaitable, error));
  connection.deadline = Clock::time_point::max();
  if (connection.gone || (error && !connection.expired)) throw Gone();
  co_return !connection.expired;
}

awaitable<void> HttpServerCore::ReadyInPace(HttpConnection& connection, Transport::State state) {
  HttpConnection::Pace& pace = connection.pace;
  const auto idle_until = Clock::now() + options.idle_timeout;
  for (;;) {
    const auto begin = Clock::now();
    const bool ready = co_await Ready(
        connection, state, std::min(idle_until, begin + (options.slowest_over - pace.waited)));
    const auto now = Clock::now();
    pace.waited += now - begin;
    bool slow = !ready && now >= idle_until;
    if (pace.waited >= options.slowest_over) {
      slow |= pace.bytes < options.slowest_bytes_per_s * options.slowest_over.count();
      pace = {};
    }
    if (slow) throw HttpError(408, "The connection is too slow, or stood still: try again.");
    if (ready) co_return;
  }
}

void HttpServerCore::CheckQueue() const {
  if (waiting >= options.most_waiting)
    throw HttpError(503, "The server has too much to do: try again in a moment.",
                    {{"Retry-After", "2"}});
}

// Of the exception being handled.
void HttpServerCore::ThrowFault(const HttpRequest& request) const {
  const Error error = CurrentError();
  const auto says = [&](int reason) { return Holds(error.problem(), std::strerror(reason)); };
  Log(request.method + " " + request.path + ": " + error.text());
  if (says(ENOSPC) || says(EDQUOT))
    throw HttpError(507, "The server's disk is full: free some space there, then try again.");
  if (says(EAGAIN))
    throw HttpError(503, "The server cannot reach its data just now: try again in a moment.",
                    {{"Retry-After", "2"}});
  throw HttpError(500, "The server failed at this request; its messages say why.");
}

awaitable<void> HttpServerCore::Serve(std::shared_ptr<HttpConnection> connection) {
  try {
    if (connection->refused) {
      const HttpResponse response = ProblemResponse(
          HttpError(503, "The server has too many connections: try again in a moment.",
                    {{"Retry-After", "2"}}));
      Count(response.status);
      const AnswerEnd end{static_cast<std::int64_t>(response.body.size()), false, false};
      const std::string text = AnswerHead(response, end, options.headers) + response.body;
      co_await Write(*connection, text.data(), text.size());
      co_await Linger(*connection);
    } else {
      bool more = true;
      while (more) more = co_await ServeOne(*connection);
      if (connection->channel) co_await StreamEvents(*connection);
    }
  } catch (const Gone&) {
  } catch (const std::exception& error) {  // too slow to be answered, or no memory
    if (dynamic_cast<const HttpError*>(&error) == nullptr) Log(error.what());
  }
  connection->gone = true;
  refused -= connection->refused ? 1 : 0;
  connections.erase(connection);
  {
    const std::lock_guard guard(mutex);
    --connection_count;
  }
  changed.notify_all();
}

// One request and its answer. False where the connection ends after it, or becomes a stream.
awaitable<bool> HttpServerCore::ServeOne(HttpConnection& connection) {
  HttpRequestParser parser(options.most_header_bytes);
  HttpRequest& request = *parser.request();
  request.remote = connection.remote;
  request.encrypted = connection.transport.encrypted();
  connection.pace = {};
  connection.events_since = hub->Begin();
  struct End {
    HttpServerCore& core;
    HttpConnection& connection;
    ~End() {
      if (!connection.channel) core.hub->End(connection.events_since);
    }
  } end_of_work{*this, connection};
  Answer answer;
  bool header_read = false;
  try {
    header_read = co_await ReadHeader(connection, parser);
    if (!header_read) co_return false;
    co_await Respond(connection, parser, answer);
  } catch (const HttpError& error) {
    answer.response = ProblemResponse(error);
    answer.file.reset();
  }
  const bool clear = header_read && parser.done();  // where the next request begins
  const bool keep_alive =
      clear && parser.keep_alive() && !stopping && !answer.response.events;
  connection.pace = {};
  co_await Send(connection, parser, answer, keep_alive);
  if (answer.response.events && request.method != "HEAD") {
    connection.channel = answer.response.events;
    for (const auto& [event, data] : answer.response.first)
      connection.Add(std::make_shared<const std::string>(EventText(event, data)));
    connection.most_waiting_bytes += connection.waiting_bytes;  // the first ones may be many
    co_return false;
  }
  if (!keep_alive) {
    // Bytes that are not read would make the system reset the connection, and the answer with it.
    if (!clear || !connection.in.empty())
      co_await Linger(connection);
    else
      connection.transport.ShutdownWrite();
  }
  co_return keep_alive;
}

void HttpServerCore::Stop(std::chrono::seconds grace) {
  if (!network.joinable()) return;
  const auto close = [this](bool all) {
    asio::post(io, [this, all] {
      stopping = true;
      boost::system::error_code ignored;
      acceptor.close(ignored);
      for (const auto& connection : connections)
        if (all || connection->idle || connection->channel) connection->Close();
    });
  };
  close(false);
  std::unique_lock lock(mutex);
  const auto none = [this] { return connection_count == 0; };
  changed.wait_for(lock, grace, none);
  // Again and again: a connection may have been between two waits.
  while (!none()) {
    close(true);
    changed.wait_for(lock, std::chrono::milliseconds(100), none);
  }
  lock.unlock();
  pool.join();
  file_pool.join();
  io.stop();
  network.join();
}

}  // namespace stemsmith
