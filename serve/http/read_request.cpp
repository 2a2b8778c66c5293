// Reading requests, and giving them to routes.
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "core/text.h"
#include "serve/http/input_buffer.h"
#include "serve/http/server_core.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBodyBlock = 256 << 10;

}  // namespace

// False where the client closed, or sent nothing.
awaitable<bool> HttpServerCore::ReadHeader(HttpConnection& connection, HttpRequestParser& parser) {
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

awaitable<void> HttpServerCore::Respond(HttpConnection& connection, HttpRequestParser& parser,
                                        Answer& answer) {
  HttpRequest& request = *parser.request();
  const auto complete = [&answer](HttpResponse response) {
    answer.response = std::move(response);
    if (!answer.response.file.empty())
      answer.file = std::make_unique<SentFile>(answer.response.file);
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

awaitable<void> HttpServerCore::TakeBody(HttpConnection& connection, HttpRequestParser& parser,
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
      answer.file = std::make_unique<SentFile>(answer.response.file);
  });
}

awaitable<void> HttpServerCore::Continue(HttpConnection& connection,
                                         const HttpRequestParser& parser) {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  if (parser.expects_continue() && !parser.done())
    co_await Write(connection, kContinue.data(), kContinue.size());
}

// Reads more of the body, what there is and at least something. Its decoded() bytes lie at the
// begin of the buffer, and as many as are returned must be dropped from there.
awaitable<std::size_t> HttpServerCore::ReadBody(HttpConnection& connection,
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

}  // namespace stemsmith
