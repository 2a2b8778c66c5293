// What requests and answers are to those who write routes; the network is in serve/http/server.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

struct HttpRequest {
  std::string method;                        // "GET"; "HEAD" where the route is that of GET, too
  std::string path;                          // as sent, without the query
  std::map<std::string, std::string> query;  // decoded, UTF-8; the last of equal names
  std::vector<std::pair<std::string, std::string>> query_list;  // all, in their order
  // {job} of the route, decoded: UTF-8, never empty, no '/' or control characters, not "..".
  std::map<std::string, std::string> parts;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;        // of routes that take small ones
  std::string remote;      // "127.0.0.1"
  bool encrypted = false;  // came by TLS

  // The value of a header, any case of its name; empty where there is none.
  std::string Header(const std::string& name) const;
  std::optional<std::string> Cookie(const std::string& name) const;
};

// What other threads say to all who listen to one stream of server-sent events.
class EventChannel {
 public:
  virtual ~EventChannel() = default;
  // Any thread. A listener that does not read loses its connection when too much waits for it, and
  // comes back by itself.
  virtual void Send(const std::string& event, const std::string& data) = 0;
  virtual std::size_t listeners() const = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // Instead of `body`: this file, opened before the answer begins (one that is removed meanwhile is
  // sent whole), with Range, If-Range, If-None-Match and HEAD. Needs `etag` (without quotes), with
  // which a `body` answers If-None-Match, too.
  std::filesystem::path file;
  std::string etag;
  // Instead of both: a stream of events, which begins with those of `first` (event, data). What is
  // sent to the channel from the begin of the route on reaches the listener after them, so that
  // nothing is missed (and something may come twice).
  std::shared_ptr<EventChannel> events;
  std::vector<std::pair<std::string, std::string>> first;
};

// Answers with application/problem+json (RFC 9457). Thrown by routes, too.
class HttpError : public std::runtime_error {
 public:
  // `detail` is a sentence that helps.
  HttpError(int status, const std::string& detail,
            std::vector<std::pair<std::string, std::string>> headers = {});
  int status() const { return status_; }
  const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }

 private:
  int status_;
  std::vector<std::pair<std::string, std::string>> headers_;
};
HttpResponse ProblemResponse(const HttpError& error);

// Takes a long body piece by piece, on one thread of the pool at a time. Destroyed without Finish()
// where the client broke off.
class HttpBodySink {
 public:
  virtual ~HttpBodySink() = default;
  virtual void Take(const char* bytes, std::size_t count) = 0;
  virtual HttpResponse Finish() = 0;
};

// One row of the table of routes.
struct HttpRoute {
  std::string method;   // "GET" answers HEAD, too
  std::string pattern;  // "/api/v1/jobs/{job}/files/{file}"
  // On a thread of the pool: may take its time. Throws HttpError; Error becomes 500, 507 where the
  // disk is full, and 503 where something is held by another program or is away (EAGAIN).
  std::function<HttpResponse(HttpRequest& request)> answer;
  // Where the body is long: called before it is read, so that what it refuses is never sent
  // (Expect: 100-continue). `answer` is then not called. `length` is -1 where the client does not
  // say.
  std::function<std::unique_ptr<HttpBodySink>(HttpRequest& request, std::int64_t length)> take_body;
};

}  // namespace stemsmith
