// Bytes from the network as one request: its header, then its body, chunked or not. What is
// doubtful (RFC 9112, sections 6 and 11.2: two lengths, a length beside chunks) is refused.
#pragma once

#include <cstdint>
#include <memory>

#include "serve/http/http.h"
#include "serve/http/target.h"

namespace stemsmith {

class HttpRequestParser {
 public:
  explicit HttpRequestParser(std::size_t most_header_bytes);
  ~HttpRequestParser();
  HttpRequestParser(const HttpRequestParser&) = delete;
  HttpRequestParser& operator=(const HttpRequestParser&) = delete;

  // Parses from `bytes` and says how many of them are done with; the others must be given again,
  // with more behind them. Stops where the header is complete. From then on `bytes` are of the
  // body: its first decoded() are what the chunks held. Throws HttpError.
  std::size_t Parse(char* bytes, std::size_t count);
  std::size_t decoded() const;

  bool got_some() const;
  bool header_done() const;
  bool done() const;
  // From here on, once the header is done:
  std::int64_t length() const;  // of the body; -1 where the client does not say
  bool keep_alive() const;
  bool expects_continue() const;
  bool http_1_0() const;
  // Shared with those that work on it when the connection is gone.
  const std::shared_ptr<HttpRequest>& request() const;
  const HttpTarget& target() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
