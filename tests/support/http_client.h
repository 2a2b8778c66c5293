// A client that sends bytes as they are, so that bad requests can be sent; and a server to send
// them to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "serve/http/server.h"
#include "tests/support/measured_process.h"

namespace stemsmith::testing {

struct Reply {
  int status = 0;  // 0: the connection ended without one
  std::map<std::string, std::string> headers;  // names in small letters
  std::string body;
};

class RawClient {
 public:
  // `receive_bytes`: of the socket's buffer, where that matters.
  explicit RawClient(int port, int receive_bytes = 0);
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False where the server has closed.
  bool Send(const std::string& bytes);
  void ShutdownWrite();
  void Close();
  // The next `count` bytes at most; "" at the end of the connection, or after `patience`.
  std::string Receive(std::size_t count,
                      std::chrono::milliseconds patience = std::chrono::seconds(8));
  // One whole answer; `head` where none of its body is sent.
  Reply ReadReply(bool head = false);
  // Send() and ReadReply().
  Reply Ask(const std::string& bytes, bool head = false);
  // Reads until `text` came, and gives all of it; fails the test where it does not.
  std::string ReadUntil(const std::string& text);
  // Whether the server closes within the patience of Receive(); what it sends until then is lost.
  bool Ended();

 private:
  int socket_;
  std::string rest_;
};

// "GET PATH HTTP/1.1" with a Host, and the headers given ("Name: value\r\n").
std::string Get(const std::string& path, const std::string& headers = "");
std::string Request(const std::string& method, const std::string& path, const std::string& headers,
                    const std::string& body);

// "VmRSS" of this process, in KiB.
std::int64_t ResidentKib();

// Waits until it holds; fails the test where it does not within ten seconds.
void WaitFor(const std::function<bool()>& holds, const std::string& what);

HttpServerOptions QuickOptions();  // any port, short times

}  // namespace stemsmith::testing
