#include "serve/http/connection.h"

namespace stemsmith {

using boost::asio::ip::tcp;

void HttpConnection::Deliver(const std::shared_ptr<const std::string>& text) {
  if (waiting_bytes + text->size() > most_waiting_bytes) return Close();
  Add(text);
  Pump();
}

void HttpConnection::Add(const std::shared_ptr<const std::string>& text) {
  waiting_bytes += text->size();
  waiting.push_back(text);
}

void HttpConnection::Pump() {
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
        last_event = std::chrono::steady_clock::now();
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

void HttpConnection::Close() {
  gone = true;
  boost::system::error_code ignored;
  socket.cancel(ignored);
}

}  // namespace stemsmith
