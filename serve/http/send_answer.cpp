// Sending answers: texts, files and streams of events.
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "serve/http/answer_head.h"
#include "serve/http/file_answer.h"
#include "serve/http/server_core.h"

namespace stemsmith {
namespace {

constexpr std::size_t kFileBlock = 128 << 10;
// How long a client that is refused in mid-request may go on sending, and be silent.
constexpr std::chrono::seconds kLinger{30}, kLingerIdle{3};

}  // namespace

awaitable<void> HttpServerCore::Write(HttpConnection& connection, const char* bytes,
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

awaitable<void> HttpServerCore::Send(HttpConnection& connection, const HttpRequestParser& parser,
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

awaitable<void> HttpServerCore::SendFile(HttpConnection& connection, const SentFile& file,
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

awaitable<void> HttpServerCore::StreamEvents(HttpConnection& connection) {
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
awaitable<void> HttpServerCore::Linger(HttpConnection& connection) {
  connection.in.Drop(connection.in.size());
  connection.in.Trim(0);
  connection.transport.ShutdownWrite();
  const auto until = Clock::now() + kLinger;
  while (connection.transport.Drain() &&
         co_await Ready(connection, Transport::State::kMustRead,
                        std::min(until, Clock::now() + kLingerIdle))) {
  }
}

}  // namespace stemsmith
