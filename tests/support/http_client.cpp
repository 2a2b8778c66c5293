#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>
#include <utility>

#include "core/text.h"

namespace stemsmith::testing {

RawClient::RawClient(int port, int receive_bytes) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  if (receive_bytes > 0)
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    ADD_FAILURE() << "cannot connect to port " << port;
}
RawClient::RawClient(RawClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), rest_(std::move(other.rest_)) {}
RawClient::~RawClient() { Close(); }

void RawClient::Close() {
  if (socket_ >= 0) close(std::exchange(socket_, -1));
}
void RawClient::ShutdownWrite() { shutdown(socket_, SHUT_WR); }

bool RawClient::Send(const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = send(socket_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

std::string RawClient::Receive(std::size_t count, std::chrono::milliseconds patience) {
  if (!rest_.empty()) {
    std::string bytes = rest_.substr(0, count);
    rest_.erase(0, bytes.size());
    return bytes;
  }
  pollfd wait{socket_, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return "";
  std::string bytes(std::min<std::size_t>(count, 64 << 10), '\0');
  const ssize_t received = recv(socket_, bytes.data(), bytes.size(), 0);
  bytes.resize(received > 0 ? static_cast<std::size_t>(received) : 0);
  return bytes;
}

std::string RawClient::ReadUntil(const std::string& text) {
  std::string read;
  while (true) {
    const std::size_t end = read.find(text);
    if (end != std::string::npos) {
      rest_.insert(0, read.substr(end + text.size()));
      return read.substr(0, end + text.size());
    }
    const std::string more = Receive(64 << 10);
    if (more.empty()) {
      ADD_FAILURE() << "'" << text << "' did not come, but: " << read.substr(0, 500);
      return read;
    }
    read += more;
  }
}

Reply RawClient::ReadReply(bool head) {
  Reply reply;
  std::string text;
  while (text.find("\r\n\r\n") == std::string::npos) {
    const std::string more = Receive(64 << 10);
    if (more.empty()) return reply;
    text += more;
  }
  const std::size_t end = text.find("\r\n\r\n");
  rest_.insert(0, text.substr(end + 4));
  text.resize(end + 2);
  EXPECT_EQ(text.substr(0, 9), "HTTP/1.1 ") << text;
  reply.status = std::atoi(text.substr(9, 3).c_str());
  for (std::size_t begin = text.find("\r\n") + 2; begin < text.size();) {
    const std::size_t line = text.find("\r\n", begin), colon = text.find(": ", begin);
    EXPECT_TRUE(reply.headers
                    .emplace(LowerCase(text.substr(begin, colon - begin)),
                             text.substr(colon + 2, line - colon - 2))
                    .second)
        << text;
    begin = line + 2;
  }
  if (head || reply.status == 204 || reply.status == 304 || reply.status == 100) return reply;
  if (reply.headers.count("content-length") == 0) return reply;
  const auto length = static_cast<std::size_t>(std::atoll(reply.headers["content-length"].c_str()));
  while (reply.body.size() < length) {
    const std::string more = Receive(length - reply.body.size());
    if (more.empty()) {
      ADD_FAILURE() << "an answer of " << reply.body.size() << " bytes in place of " << length;
      break;
    }
    reply.body += more;
  }
  return reply;
}

Reply RawClient::Ask(const std::string& bytes, bool head) {
  Send(bytes);
  return ReadReply(head);
}

bool RawClient::Ended() {
  rest_.clear();
  for (;;) {
    pollfd wait{socket_, POLLIN, 0};
    if (poll(&wait, 1, 8000) <= 0) return false;
    char bytes[4096];
    if (recv(socket_, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

std::string Get(const std::string& path, const std::string& headers) {
  return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}
std::string Request(const std::string& method, const std::string& path, const std::string& headers,
                    const std::string& body) {
  return method + " " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

std::int64_t ResidentKib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::atoll(line.c_str() + 6);
  return 0;
}

void WaitFor(const std::function<bool()>& holds, const std::string& what) {
  for (int i = 0; i < 1000; ++i) {
    if (holds()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "in ten seconds not: " << what;
}

HttpServerOptions QuickOptions() {
  HttpServerOptions options;
  options.port = 0;
  options.threads = 4;
  options.header_timeout = std::chrono::seconds(1);
  options.idle_timeout = std::chrono::seconds(1);
  options.event_pause = std::chrono::seconds(1);
  return options;
}

}  // namespace stemsmith::testing
