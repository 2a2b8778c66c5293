#include "serve/http/server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>
#include <unordered_set>

#include "core/current_error.h"
#include "core/error.h"
#include "core/option.h"
#include "core/text.h"
#include "serve/http/answer_head.h"
#include "serve/http/event_hub.h"
#include "serve/http/file_answer.h"
#include "serve/http/input_buffer.h"
#include "serve/http/request_parser.h"
#include "serve/http/routes.h"
#include "serve/http/transport.h"

namespace stemsmith {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBodyBlock = 256 << 10, kFileBlock = 128 << 10;
constexpr std::size_t kMostEventBytes = 64 << 10;
// How long a client that is refused in mid-request may go on sending, and be silent.
constexpr std::chrono::seconds kLinger{30}, kLingerIdle{3};
constexpr std::size_t kMostRefused = 64;  // connections that are given their 503
constexpr std::chrono::milliseconds kSweep{200};

// The client has closed, or the server closes.
struct Gone {};

struct OpenFile {
  int descriptor = -1;
  std::int64_t size = 0;
  explicit OpenFile(const std::filesystem::path& path)
      : descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat state {};
    const bool there = descriptor >= 0 && fstat(descriptor, &state) == 0;
    if (descriptor < 0 && errno != ENOENT && errno != ENOTDIR)
      throw Error::System("The file cannot be opened", path.string());
    if (!there || !S_ISREG(state.st_mode)) {
      if (descriptor >= 0) close(descriptor);
      throw HttpError(404, "The file is no longer there.");
    }
    size = state.st_size;
  }
  ~OpenFile() { close(descriptor); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
};

struct Answer {
  HttpResponse response;
  std::unique_ptr<OpenFile> file;
};

// How fast a body goes, of the time that its client is waited for.
struct Pace {
  std::int64_t bytes = 0;
  Clock::duration waited{0};
};

}  // namespace

// What belongs to a connection. All on the network's thread.
struct Connection : EventListener {
  Connection(tcp::socket from, const TlsContext* tls)
      : socket(std::move(from)), transport(socket.native_handle(), tls) {}

  void Deliver(const std::shared_ptr<const std::string>& text) override {
    if (waiting_bytes + text->size() > most_waiting_bytes) return Close();
    Add(text);
    Pump();
  }
  void Add(const std::shared_ptr<const std::string>& text) {
    waiting_bytes += text->size();
    waiting.push_back(text);
  }
  // Writes what waits, until the client must read first.
  void Pump() {
    while (!waiting.empty() && !pumping && !gone) {
      std::size_t count = 0;
      const std::string& text = *waiting.front();
      switch (transport.Write(text.data() + written, text.size() - written, count)) {
        case Transport::State::kDone:
          *sent += static_cast<std::int64_t>(count);
          waiting_bytes -= count;
          written += count;
          if (written == text.size()) {
            written = 0;
            waiting.pop_front();
          }
          last_event = Clock::now();
          break;
        case Transport::State::kClosed:
          return Close();
        default:
          pumping = true;
          socket.async_wait(tcp::socket::wait_write,
                            [self = self.lock()](const boost::system::error_code& error) {
                              self->pumping = false;
                              if (!error) self->Pump();
                            });
      }
    }
  }
  // Whatever waits for it ends.
  void Close() {
    gone = true;
    boost::system::error_code ignored;
    socket.cancel(ignored);
  }

  tcp::socket socket;
  Transport transport;
  std::weak_ptr<Connection> self;
  std::string remote;
  InputBuffer in;
  Clock::time_point deadline = Clock::time_point::max();
  bool expired = false, gone = false, idle = false, refused = false;
  Pace pace;
  // Of event streams:
  std::shared_ptr<EventChannel> channel;
  std::uint64_t events_since = 0;
  std::deque<std::shared_ptr<const std::string>> waiting;
  std::size_t waiting_bytes = 0, most_waiting_bytes = kMostEventBytes, written = 0;
  bool pumping = false;
  Clock::time_point last_event{};
  std::atomic<std::int64_t>* sent = nullptr;
};

struct HttpServer::Impl {
  Impl(const HttpServerOptions& options, std::vector<HttpRoute> routes);
  ~Impl() { Stop(std::chrono::seconds(0)); }
  void Stop(std::chrono::seconds grace);

  void Listen();
  awaitable<void> Accept();
  awaitable<void> Sweep();
  awaitable<void> Serve(std::shared_ptr<Connection> connection);
  awaitable<bool> ServeOne(Connection& connection);
  awaitable<bool> ReadHeader(Connection& connection, HttpRequestParser& parser);
  awaitable<void> Respond(Connection& connection, HttpRequestParser& parser, Answer& answer);
  awaitable<void> TakeBody(Connection& connection, HttpRequestParser& parser,
                           const HttpRoute& route, Answer& answer);
  awaitable<std::size_t> ReadBody(Connection& connection, HttpRequestParser& parser);
  awaitable<void> Continue(Connection& connection, const HttpRequestParser& parser);
  awaitable<void> Send(Connection& connection, const HttpRequestParser& parser, Answer& answer,
                       bool keep_alive);
  awaitable<void> SendFile(Connection& connection, const OpenFile& file, std::int64_t begin,
                           std::int64_t length);
  awaitable<void> Write(Connection& connection, const char* bytes, std::size_t size);
  awaitable<void> StreamEvents(Connection& connection);
  awaitable<void> Linger(Connection& connection);
  awaitable<bool> Ready(Connection& connection, Transport::State state, Clock::time_point until);
  awaitable<void> ReadyInPace(Connection& connection, Transport::State state);

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
  std::unordered_set<std::shared_ptr<Connection>> connections;
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

HttpServer::Impl::Impl(const HttpServerOptions& from, std::vector<HttpRoute> table)
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

void HttpServer::Impl::Listen() {
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

awaitable<void> HttpServer::Impl::Accept() {
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
    std::shared_ptr<Connection> connection;
    try {
      connection = std::make_shared<Connection>(std::move(socket), tls.get());
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

awaitable<void> HttpServer::Impl::Sweep() {
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
awaitable<bool> HttpServer::Impl::Ready(Connection& connection, Transport::State state,
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

awaitable<void> HttpServer::Impl::ReadyInPace(Connection& connection, Transport::State state) {
  Pace& pace = connection.pace;
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

template <typename Work>
awaitable<void> HttpServer::Impl::OnPool(asio::thread_pool& on, const HttpRequest& request,
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

void HttpServer::Impl::CheckQueue() const {
  if (waiting >= options.most_waiting)
    throw HttpError(503, "The server has too much to do: try again in a moment.",
                    {{"Retry-After", "2"}});
}

// Of the exception being handled.
void HttpServer::Impl::ThrowFault(const HttpRequest& request) const {
  const Error error = CurrentError();
  const auto says = [&](int reason) { return Holds(error.problem(), std::strerror(reason)); };
  Log(request.method + " " + request.path + ": " + error.text());
  if (says(ENOSPC) || says(EDQUOT))
    throw HttpError(507, "The server's disk is full: free some space there, then try again.");
  throw HttpError(500, "The server failed at this request; its messages say why.");
}

awaitable<void> HttpServer::Impl::Serve(std::shared_ptr<Connection> connection) {
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
awaitable<bool> HttpServer::Impl::ServeOne(Connection& connection) {
  HttpRequestParser parser(options.most_header_bytes);
  HttpRequest& request = *parser.request();
  request.remote = connection.remote;
  request.encrypted = connection.transport.encrypted();
  connection.pace = {};
  connection.events_since = hub->Begin();
  struct End {
    Impl& impl;
    Connection& connection;
    ~End() {
      if (!connection.channel) impl.hub->End(connection.events_since);
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

// False where the client closed, or sent nothing.
awaitable<bool> HttpServer::Impl::ReadHeader(Connection& connection, HttpRequestParser& parser) {
  auto until = Clock::now() + options.idle_timeout;
  bool begun = false;
  InputBuffer& in = connection.in;
  for (;;) {
    if (!in.empty()) {
      if (!begun) until = Clock::now() + options.header_timeout;
      begun = true;
      in.Drop(parser.Parse(in.data(), in.size()));
      if (parser.header_done()) co_return true;
    }
    in.Reserve(options.most_header_bytes);
    std::size_t count = 0;
    const auto state = connection.transport.Read(in.space(), in.room(), count);
    if (state == Transport::State::kDone) {
      in.Add(count);
      continue;
    }
    if (state == Transport::State::kClosed) co_return false;
    in.Trim(options.most_header_bytes);
    connection.idle = !begun;
    const bool ready = co_await Ready(connection, state, until);
    connection.idle = false;
    if (!ready && !begun) co_return false;
    if (!ready)
      throw HttpError(408, "The header of the request was not complete within " +
                               std::to_string(options.header_timeout.count()) + " s.");
  }
}

awaitable<void> HttpServer::Impl::Respond(Connection& connection, HttpRequestParser& parser,
                                          Answer& answer) {
  HttpRequest& request = *parser.request();
  const auto complete = [&answer](HttpResponse response) {
    answer.response = std::move(response);
    if (!answer.response.file.empty())
      answer.file = std::make_unique<OpenFile>(answer.response.file);
  };
  if (options.check) {
    std::optional<HttpResponse> refusal;
    try {
      refusal = options.check(request);
      if (refusal) complete(std::move(*refusal));
    } catch (const HttpError&) {
      throw;
    } catch (...) {
      ThrowFault(request);
    }
    if (refusal) co_return;
  }
  const HttpRoute& route = routes.Find(request, parser.target().segments);
  CheckQueue();
  if (route.take_body) {
    co_await TakeBody(connection, parser, route, answer);
    co_return;
  }
  const auto most = options.most_small_body_bytes;
  const auto too_long = [&] {
    return HttpError(413, "The body of this request may have " +
                              FormatBytes(static_cast<double>(most)) + " at most.");
  };
  if (parser.length() > static_cast<std::int64_t>(most)) throw too_long();
  co_await Continue(connection, parser);
  while (!parser.done()) {
    const std::size_t used = co_await ReadBody(connection, parser);
    request.body.append(connection.in.data(), parser.decoded());
    connection.in.Drop(used);
    if (request.body.size() > most) throw too_long();
  }
  connection.in.Trim(options.most_header_bytes);
  co_await OnPool(pool, request, [&] { complete(route.answer(request)); });
}

awaitable<void> HttpServer::Impl::TakeBody(Connection& connection, HttpRequestParser& parser,
                                           const HttpRoute& route, Answer& answer) {
  const std::shared_ptr<HttpRequest> request = parser.request();
  // Closes files and may remove them: not on the network's thread. It may refer to the request.
  std::shared_ptr<HttpBodySink> sink;
  co_await OnPool(pool, *request, [&] {
    auto made = route.take_body(*request, parser.length());
    if (!made) throw std::logic_error("A route takes no body");
    sink = {made.release(), [this, request](HttpBodySink* last) {
              asio::post(pool, [last, request] { delete last; });
            }};
  });
  co_await Continue(connection, parser);
  while (!parser.done()) {
    const std::size_t used = co_await ReadBody(connection, parser);
    if (parser.decoded() > 0)
      co_await OnPool(pool, *request,
                      [&] { sink->Take(connection.in.data(), parser.decoded()); });
    connection.in.Drop(used);
  }
  connection.in.Trim(options.most_header_bytes);
  co_await OnPool(pool, *request, [&] {
    answer.response = sink->Finish();
    if (!answer.response.file.empty())
      answer.file = std::make_unique<OpenFile>(answer.response.file);
  });
}

awaitable<void> HttpServer::Impl::Continue(Connection& connection,
                                           const HttpRequestParser& parser) {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  if (parser.expects_continue() && !parser.done())
    co_await Write(connection, kContinue.data(), kContinue.size());
}

// Reads more of the body, what there is and at least something. Its decoded() bytes lie at the
// begin of the buffer, and as many as are returned must be dropped from there.
awaitable<std::size_t> HttpServer::Impl::ReadBody(Connection& connection,
                                                  HttpRequestParser& parser) {
  InputBuffer& in = connection.in;
  for (;;) {
    in.Reserve(kBodyBlock);
    auto state = Transport::State::kDone;
    while (state == Transport::State::kDone && in.room() > 0) {
      std::size_t count = 0;
      state = connection.transport.Read(in.space(), in.room(), count);
      in.Add(count);
      connection.pace.bytes += static_cast<std::int64_t>(count);
    }
    const std::size_t used = parser.Parse(in.data(), in.size());
    received += static_cast<std::int64_t>(parser.decoded());
    if (used > 0) co_return used;
    if (state == Transport::State::kClosed) throw Gone();
    if (state == Transport::State::kDone)
      throw HttpError(400, "A line between the chunks of the body is too long.");
    in.Trim(options.most_header_bytes);
    co_await ReadyInPace(connection, state);
  }
}

awaitable<void> HttpServer::Impl::Write(Connection& connection, const char* bytes,
                                        std::size_t size) {
  while (size > 0) {
    std::size_t count = 0;
    const auto state = connection.transport.Write(bytes, size, count);
    if (state == Transport::State::kClosed) throw Gone();
    bytes += count;
    size -= count;
    connection.pace.bytes += static_cast<std::int64_t>(count);
    if (state != Transport::State::kDone) co_await ReadyInPace(connection, state);
  }
}

awaitable<void> HttpServer::Impl::Send(Connection& connection, const HttpRequestParser& parser,
                                       Answer& answer, bool keep_alive) {
  const HttpRequest& request = *parser.request();
  HttpResponse& response = answer.response;
  const bool head = request.method == "HEAD", get = head || request.method == "GET";
  FilePart part{.length = static_cast<std::int64_t>(response.body.size())};
  if (response.events) {
    part.length = -1;
    response.content_type = "text/event-stream";
    response.headers.emplace_back("Cache-Control", "no-store");
    response.headers.emplace_back("X-Accel-Buffering", "no");  // nginx passes them on at once
  } else if (answer.file && response.status == 200 && get) {
    part = PartOfFile(request, answer.file->size, response.etag);
    response.headers.insert(response.headers.end(), part.headers.begin(), part.headers.end());
    response.status = part.status;
    if (part.status == 416) {
      answer.file.reset();
      response = ProblemResponse(HttpError(416, "The file ends before the range that is asked for.",
                                           part.headers));
      part.length = static_cast<std::int64_t>(response.body.size());
    }
  } else if (answer.file) {
    part.length = answer.file->size;
  } else if (!response.etag.empty()) {
    response.headers.emplace_back("ETag", '"' + response.etag + '"');
    if (response.status == 200 && get &&
        NamesTag(request.Header("If-None-Match"), response.etag))
      response.status = 304;
  }
  // The answer to a HEAD with a route of its own has no length to speak of.
  if (head && !answer.file && response.body.empty()) part.length = -1;
  Count(response.status);
  const bool bodyless = head || response.status == 204 || response.status == 304;
  std::string text =
      AnswerHead(response, {part.length, keep_alive, parser.http_1_0()}, options.headers);
  const bool together = !bodyless && response.body.size() <= kFileBlock;
  if (together) text += response.body;
  co_await Write(connection, text.data(), text.size());
  if (bodyless || response.events) co_return;
  if (!together) co_await Write(connection, response.body.data(), response.body.size());
  if (answer.file)
    co_await SendFile(connection, *answer.file, part.begin, part.length);
  else
    sent += static_cast<std::int64_t>(response.body.size());
}

awaitable<void> HttpServer::Impl::SendFile(Connection& connection, const OpenFile& file,
                                           std::int64_t begin, std::int64_t length) {
  const std::size_t capacity =
      static_cast<std::size_t>(std::min<std::int64_t>(length, kFileBlock));
  const std::unique_ptr<char[]> block(new char[capacity]);
  const HttpRequest none;
  while (length > 0) {
    ssize_t count = 0;
    co_await OnPool(file_pool, none, [&] {
      count = pread(file.descriptor, block.get(),
                    std::min(capacity, static_cast<std::size_t>(length)), begin);
    });
    if (count <= 0) {  // no other way to say so is left
      Log("A file became shorter, or cannot be read, while it was sent");
      throw Gone();
    }
    co_await Write(connection, block.get(), static_cast<std::size_t>(count));
    begin += count;
    length -= count;
    sent += count;
  }
}

awaitable<void> HttpServer::Impl::StreamEvents(Connection& connection) {
  ++event_streams;
  const auto channel = connection.channel;
  connection.last_event = Clock::now();
  connection.in.Drop(connection.in.size());
  connection.in.Trim(0);
  boost::system::error_code error;
  connection.socket.set_option(asio::socket_base::send_buffer_size(64 << 10), error);
  connection.Pump();  // the first ones, however many
  const bool whole = EventHub::Connect(*channel, connection, connection.events_since);
  hub->End(connection.events_since);
  // A stream is read only to see that its client leaves.
  auto state = Transport::State::kDone;
  std::size_t heard = 0;
  while (whole && !stopping && !connection.gone && state != Transport::State::kClosed &&
         heard < kMostEventBytes) {
    char bytes[256];
    std::size_t count = 0;
    state = connection.transport.Read(bytes, sizeof bytes, count);
    heard += count;
    if (state == Transport::State::kMustRead || state == Transport::State::kMustWrite)
      co_await connection.socket.async_wait(state == Transport::State::kMustRead
                                                ? tcp::socket::wait_read
                                                : tcp::socket::wait_write,
                                            asio::redirect_error(asio::use_awaitable, error));
  }
  EventHub::Disconnect(*channel, connection);
  --event_streams;
  connection.channel.reset();
  connection.Close();
  connection.transport.ShutdownWrite();
}

// Until the client has closed, so that it sees the answer before the connection is gone.
awaitable<void> HttpServer::Impl::Linger(Connection& connection) {
  connection.in.Drop(connection.in.size());
  connection.in.Trim(0);
  connection.transport.ShutdownWrite();
  const auto until = Clock::now() + kLinger;
  while (connection.transport.Drain() &&
         co_await Ready(connection, Transport::State::kMustRead,
                        std::min(until, Clock::now() + kLingerIdle))) {
  }
}

void HttpServer::Impl::Stop(std::chrono::seconds grace) {
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

HttpServer::HttpServer(const HttpServerOptions& options, std::vector<HttpRoute> routes)
    : impl_(std::make_unique<Impl>(options, std::move(routes))) {}
HttpServer::~HttpServer() = default;

int HttpServer::port() const { return impl_->port; }

HttpFigures HttpServer::figures() const {
  HttpFigures figures;
  figures.event_streams = impl_->event_streams;
  figures.received_bytes = impl_->received;
  figures.sent_bytes = impl_->sent;
  const std::lock_guard guard(impl_->mutex);
  figures.connections = impl_->connection_count;
  figures.answers = impl_->answers;
  return figures;
}

void HttpServer::Stop(std::chrono::seconds grace) { impl_->Stop(grace); }

std::shared_ptr<EventChannel> HttpServer::MakeEventChannel() { return impl_->hub->MakeChannel(); }

}  // namespace stemsmith
