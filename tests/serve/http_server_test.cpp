// Requests, good and hostile, against a server.
#include "serve/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "tests/support/http_client.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

using ::testing::HasSubstr;

HttpResponse Text(const std::string& text) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = text;
  return response;
}

class CountSink : public HttpBodySink {
 public:
  explicit CountSink(std::atomic<int>& ended) : ended_(ended) {}
  ~CountSink() override { ++ended_; }
  void Take(const char* bytes, std::size_t count) override {
    if (memchr(bytes, '!', count) != nullptr) throw HttpError(422, "No '!' is wanted.");
    bytes_ += static_cast<std::int64_t>(count);
  }
  HttpResponse Finish() override { return Text(std::to_string(bytes_)); }

 private:
  std::atomic<int>& ended_;
  std::int64_t bytes_ = 0;
};

class HttpServerTest : public ::testing::Test {
 protected:
  std::vector<HttpRoute> Routes() {
    return {
        {"GET", "/hello", [](HttpRequest&) { return Text("hello"); }, {}},
        {"GET", "/items/{item}",
         [](HttpRequest& request) { return Text(request.method + " " + request.parts.at("item")); },
         {}},
        {"DELETE", "/items/{item}", [](HttpRequest&) { return HttpResponse{.status = 204}; }, {}},
        {"GET", "/items/first", [](HttpRequest&) { return Text("the first"); }, {}},
        {"POST", "/echo", [](HttpRequest& request) { return Text(request.body); }, {}},
        {"GET", "/query",
         [](HttpRequest& request) {
           std::string text;
           for (const auto& [name, value] : request.query_list) text += name + "=" + value + ";";
           return Text(text);
         },
         {}},
        {"HEAD", "/headed", [](HttpRequest&) { return HttpResponse{.headers = {{"Offset", "7"}}}; },
         {}},
        {"GET", "/host", [](HttpRequest& request) { return Text(request.Header("host")); }, {}},
        {"GET", "/fault",
         [](HttpRequest&) -> HttpResponse { throw Error::Input("It broke", "/secret/path"); }, {}},
        {"GET", "/full",
         [](HttpRequest&) -> HttpResponse {
           errno = ENOSPC;
           throw Error::Write("The song cannot be written", "/data/song");
         },
         {}},
        {"GET", "/held",
         [](HttpRequest&) -> HttpResponse {
           errno = EAGAIN;
           throw Error::System("The database is held", "/data/jobs");
         },
         {}},
        {"GET", "/split",
         [](HttpRequest&) {
           auto response = Text("x");
           response.headers = {{"X-Name", "a\r\nSet-Cookie: b"}};
           return response;
         },
         {}},
        {"GET", "/wait",
         [this](HttpRequest&) {
           std::unique_lock lock(mutex_);
           ++waiting_;
           changed_.wait(lock, [&] { return released_; });
           return Text("waited");
         },
         {}},
        {"POST", "/upload", {},
         [this](HttpRequest& request, std::int64_t length) {
           length_ = length;
           if (request.query.count("refuse") > 0)
             throw HttpError(429, "The queue is full.", {{"Retry-After", "7"}});
           return std::make_unique<CountSink>(ended_);
         }},
    };
  }
  HttpServer& Start(HttpServerOptions options = QuickOptions()) {
    options.log = [this](const std::string& line) {
      const std::lock_guard guard(mutex_);
      log_ += line + '\n';
    };
    options.headers = {{"X-Content-Type-Options", "nosniff"}};
    server_ = std::make_unique<HttpServer>(options, Routes());
    return *server_;
  }
  void Release() {
    const std::lock_guard guard(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  ~HttpServerTest() override { Release(); }
  int Waiting() {
    const std::lock_guard guard(mutex_);
    return waiting_;
  }
  Reply Ask(const std::string& bytes) { return RawClient(server_->port()).Ask(bytes); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string log_;
  int waiting_ = 0;
  bool released_ = false;
  std::atomic<int> ended_{0};
  std::atomic<std::int64_t> length_{0};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersOneAfterAnotherOnOneConnection) {
  Start();
  RawClient client(server_->port());
  const Reply reply = client.Ask(Get("/hello"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "hello");
  EXPECT_EQ(reply.headers.at("content-type"), "text/plain");
  EXPECT_EQ(reply.headers.at("server"), "stemsmith");
  EXPECT_EQ(reply.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(reply.headers.at("date").size(), std::string("Sun, 06 Nov 1994 08:49:37 GMT").size());
  EXPECT_EQ(reply.headers.count("connection"), 0u);
  // All at once: pipelined.
  client.Send(Get("/items/a%20b") + Request("POST", "/echo", "", "one") + "\r\n" +
              Request("DELETE", "/items/x", "", "") + Get("/hello", "Connection: close\r\n") +
              Get("/hello"));
  EXPECT_EQ(client.ReadReply().body, "GET a b");
  EXPECT_EQ(client.ReadReply().body, "one");
  const Reply gone = client.ReadReply();
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.headers.count("content-length") + gone.headers.count("content-type"), 0u);
  EXPECT_EQ(client.ReadReply().headers.at("connection"), "close");
  EXPECT_TRUE(client.Ended());
  const HttpFigures figures = server_->figures();
  EXPECT_EQ(figures.answers.at(200), 4);
  EXPECT_EQ(figures.answers.at(204), 1);
}

TEST_F(HttpServerTest, TakesRequestsByteByByte) {
  Start();
  RawClient client(server_->port());
  for (const char c : Request("POST", "/echo", "Transfer-Encoding: x\r\n", "").substr(0, 0) +
                          "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3;name=\"v\"\r\nabc\r\n0a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n")
    client.Send(std::string(1, c));
  EXPECT_EQ(client.ReadReply().body, "abc0123456789");
  EXPECT_EQ(client.Ask(Get("/hello")).status, 200);
}

TEST_F(HttpServerTest, SpeaksHttp10) {
  Start();
  RawClient client(server_->port());
  EXPECT_EQ(client.Ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                .headers.at("connection"),
            "keep-alive");
  EXPECT_EQ(client.Ask("GET /hello HTTP/1.0\r\n\r\n").headers.at("connection"), "close");
  EXPECT_TRUE(client.Ended());
}

TEST_F(HttpServerTest, AnswersHeadAsGetWithoutBody) {
  Start();
  RawClient client(server_->port());
  Reply reply = client.Ask("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", true);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("content-length"), "5");
  reply = client.Ask("HEAD /headed HTTP/1.1\r\nHost: a\r\n\r\n", true);
  EXPECT_EQ(reply.headers.at("offset"), "7");
  EXPECT_EQ(reply.headers.count("content-length"), 0u);
  reply = client.Ask("HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n", true);
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(client.Ask(Get("/items/first")).body, "the first");
}

TEST_F(HttpServerTest, DecodesTargets) {
  Start();
  EXPECT_EQ(Ask(Get("/query?a=1&b=%C3%A4+x&a=2&c&&=d")).body, "a=1;b=ä x;a=2;c=;=d;");
  EXPECT_EQ(Ask("GET http://other:80/host HTTP/1.1\r\nHost: a\r\n\r\n").body, "other:80");
  EXPECT_EQ(Ask("GET HTTP://other?x HTTP/1.1\r\nHost: a\r\n\r\n").status, 404);
}

struct Hostile {
  std::string request;
  int status;
};

TEST_F(HttpServerTest, RefusesHostileRequests) {
  HttpServerOptions options = QuickOptions();
  options.most_small_body_bytes = 1000;
  Start(options);
  const std::string host = " HTTP/1.1\r\nHost: a\r\n";
  const std::string post = "POST /echo" + host, end = "\r\n\r\n";
  const std::vector<Hostile> rows = {
      {"\x16\x03\x01\x02 hello\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /hello\r\n\r\n", 400},
      {"GET  /hello" + host + "\r\n", 400},
      {"GET /hello HTTP/1.1 \r\nHost: a" + end, 505},
      {"GET /hello HTTP/2.0\r\nHost: a" + end, 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"GET /hello HTTP/1.1\nHost: a\n\n", 505},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},
      {"GET /hello" + host + "Host: a" + end, 400},
      {"GET /hello HTTP/1.1\r\nHost:\r\nHost: a" + end, 400},
      {"GET /hello" + host + "Bad Name: x" + end, 400},
      {"GET /hello" + host + "Name : x" + end, 400},
      {"GET /hello" + host + "Name: a\nb: c" + end, 400},
      {"GET /hello" + host + "Name: a\rb" + end, 400},
      {"GET /hello" + host + std::string("Name: a\0b", 9) + end, 400},
      {"GET /hello" + host + "no colon" + end, 400},
      {"GET /hello" + host + "Expect: tea" + end, 417},
      {"GET hello" + host + "\r\n", 400},
      {"GET *" + host + "\r\n", 400},
      {"OPTIONS *" + host + "\r\n", 400},
      {"CONNECT a:443" + host + "\r\n", 400},
      {"GET ftp://a/hello" + host + "\r\n", 400},
      {"GET http:///hello" + host + "\r\n", 400},
      {"GET http://u@b/hello" + host + "\r\n", 400},
      {"GET /hello#top" + host + "\r\n", 400},
      {"GET /h\xc3\xa4llo" + host + "\r\n", 400},
      {"GET /items/%" + host + "\r\n", 400},
      {"GET /items/%4" + host + "\r\n", 400},
      {"GET /items/%zz" + host + "\r\n", 400},
      {"GET /items/a%00b" + host + "\r\n", 400},
      {"GET /items/a%2Fb" + host + "\r\n", 400},
      {"GET /items/a%0ab" + host + "\r\n", 400},
      {"GET /items/%ff" + host + "\r\n", 400},
      {"GET /items/%c0%af" + host + "\r\n", 400},
      {"GET /items/%ed%a0%80" + host + "\r\n", 400},
      {"GET /items/../hello" + host + "\r\n", 400},
      {"GET /items/./x" + host + "\r\n", 400},
      {"GET /items/%2e%2E" + host + "\r\n", 400},
      {"GET /items/x?a=%00" + host + "\r\n", 400},
      {"GET /items/x?a=%f" + host + "\r\n", 400},
      {"GET /items/" + host + "\r\n", 404},
      {"GET //hello" + host + "\r\n", 404},
      {"GET /hello/" + host + "\r\n", 404},
      {"GET /HELLO" + host + "\r\n", 404},
      {"POST /hello" + host + "Content-Length: 0" + end, 405},
      {"OPTIONS /hello" + host + "\r\n", 405},
      {"BREW /hello" + host + "\r\n", 405},
      {"GET /" + std::string(9000, 'a') + host + "\r\n", 414},
      {"GET /" + std::string(30000, 'a') + host + "\r\n", 414},
      {"GET /hello" + host + "Cookie: " + std::string(30000, 'a') + end, 431},
      {post + "Content-Length: 1001" + end, 413},
      {post + "Content-Length: 99999999999999999999" + end, 400},
      {post + "Content-Length: 9999999999999999999" + end, 413},
      {post + "Transfer-Encoding: chunked" + end + "3e9\r\n" + std::string(1001, 'x') + "\r\n",
       413},
      // Two ways to see where the body ends: smuggling.
      {post + "Content-Length: 1\r\nContent-Length: 2" + end + "ab", 400},
      {post + "Content-Length: 2\r\nContent-Length: 2" + end + "ab", 400},
      {post + "Content-Length: 2, 2" + end + "ab", 400},
      {post + "Content-Length: 2,3" + end + "ab", 400},
      {post + "Content-Length: +2" + end + "ab", 400},
      {post + "Content-Length: -2" + end + "ab", 400},
      {post + "Content-Length: 0x2" + end + "ab", 400},
      {post + "Content-Length: 2 2" + end + "ab", 400},
      {post + "Content-Length:" + end + "ab", 400},
      {post + "Content-Length: 2\r\nTransfer-Encoding: chunked" + end + "0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 2" + end + "0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" + end + "0\r\n\r\n", 400},
      {post + "Transfer-Encoding: identity\r\nContent-Length: 2" + end + "ab", 501},
      {post + "Transfer-Encoding: gzip, chunked" + end + "0\r\n\r\n", 501},
      {post + "Transfer-Encoding: chunked, gzip" + end + "0\r\n\r\n", 501},
      {post + "Transfer-Encoding: chunked, chunked" + end + "0\r\n\r\n", 501},
      {post + "Transfer-Encoding: xchunked" + end + "0\r\n\r\n", 501},
      {post + "Transfer-Encoding: \"chunked\"" + end + "0\r\n\r\n", 501},
      {post + "Transfer-Encoding:\x0b" "chunked" + end + "0\r\n\r\n", 400},
      {post + "Transfer-Encoding : chunked" + end + "0\r\n\r\n", 400},
      {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked" + end + "0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "x\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "-1\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + " 1\r\na\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "1 \r\na\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "0x1\r\na\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "1\na\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "1\r\nab\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "11111111111111111\r\na\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked" + end + "1;" + std::string(400000, 'a'), 400},
      {post + "Transfer-Encoding: chunked" + end + "0\r\nContent-Length: 5\r\n\r\n", 400},
  };
  for (const Hostile& row : rows) {
    SCOPED_TRACE(row.request.substr(0, 120));
    RawClient client(server_->port());
    client.Send(row.request);
    const Reply reply = client.ReadReply();
    EXPECT_EQ(reply.status, row.status);
    EXPECT_EQ(reply.headers.count("content-type") == 0 ? "" : reply.headers.at("content-type"),
              "application/problem+json");
    const auto problem = nlohmann::json::parse(reply.body, nullptr, false);
    ASSERT_TRUE(problem.is_object()) << reply.body;
    EXPECT_EQ(problem["status"], row.status);
    EXPECT_GT(problem["detail"].get<std::string>().size(), 15u);
    EXPECT_EQ(reply.headers.count("allow"), row.status == 405 ? 1u : 0u);
  }
  EXPECT_EQ(Ask(Get("/hello")).status, 200);
  EXPECT_EQ(log_, "");
}

TEST_F(HttpServerTest, DoesNotReadOnAfterWhatItRefuses) {
  Start();
  RawClient client(server_->port());
  EXPECT_EQ(client.Ask("GET /items/%zz HTTP/1.1\r\nHost: a\r\n\r\n" + Get("/hello")).status, 400);
  EXPECT_EQ(client.ReadReply().status, 0);
}

TEST_F(HttpServerTest, LimitsHeadersThatComeInPieces) {
  Start();
  RawClient client(server_->port());
  client.Send("GET /hello HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 2000; ++i)
    if (!client.Send("Name-" + std::to_string(i) + ": 0123456789\r\n")) break;
  EXPECT_EQ(client.ReadReply().status, 431);
}

TEST_F(HttpServerTest, NamesTheMethodsThatCanBeUsed) {
  Start();
  EXPECT_EQ(Ask(Request("POST", "/items/a", "", "")).headers.at("allow"), "DELETE, GET, HEAD");
  EXPECT_EQ(Ask(Get("/upload")).headers.at("allow"), "POST");
}

TEST_F(HttpServerTest, FaultsOfRoutesAreAnswersWithoutSecrets) {
  Start();
  RawClient client(server_->port());
  const Reply fault = client.Ask(Get("/fault"));
  EXPECT_EQ(fault.status, 500);
  EXPECT_EQ(fault.body.find("secret"), std::string::npos);
  EXPECT_THAT(log_, HasSubstr("GET /fault: It broke (/secret/path)"));
  EXPECT_EQ(client.Ask(Get("/full")).status, 507);
  const Reply held = client.Ask(Get("/held"));
  EXPECT_EQ(held.status, 503);
  EXPECT_EQ(held.headers.count("retry-after"), 1u);
  const Reply split = client.Ask(Get("/split"));
  EXPECT_EQ(split.headers.at("x-name"), "a  Set-Cookie: b");
  EXPECT_EQ(split.headers.count("set-cookie"), 0u);
}

TEST_F(HttpServerTest, AsksTheCheckBeforeRoutes) {
  HttpServerOptions options = QuickOptions();
  options.check = [](const HttpRequest& request) -> std::optional<HttpResponse> {
    if (request.Header("Host") != "a") throw HttpError(403, "This host is not served here.");
    if (request.Cookie("token") != "t") return HttpResponse{.status = 401};
    return {};
  };
  Start(options);
  EXPECT_EQ(Ask(Get("/hello", "Cookie: x=y; token=t\r\n")).status, 200);
  EXPECT_EQ(Ask(Get("/nothing", "Cookie: token=\"t\"\r\n")).status, 404);
  EXPECT_EQ(Ask(Get("/nothing", "Cookie: atoken=t\r\n")).status, 401);
  EXPECT_EQ(Ask("GET http://b/hello HTTP/1.1\r\nHost: a\r\nCookie: token=t\r\n\r\n").status, 403);
}

TEST_F(HttpServerTest, ReadsABodyOnlyOnceItIsWanted) {
  Start();
  RawClient client(server_->port());
  const std::string expect = "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  EXPECT_EQ(client.Ask("POST /upload HTTP/1.1\r\nHost: a\r\n" + expect).status, 100);
  EXPECT_EQ(client.Ask("12345").body, "5");
  EXPECT_EQ(length_, 5);
  EXPECT_EQ(client.Ask("POST /echo HTTP/1.1\r\nHost: a\r\n" + expect).status, 100);
  EXPECT_EQ(client.Ask("12345").body, "12345");
  const Reply refused = client.Ask("POST /upload?refuse HTTP/1.1\r\nHost: a\r\n" + expect);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("retry-after"), "7");
  EXPECT_EQ(refused.headers.at("connection"), "close");
}

TEST_F(HttpServerTest, ARefusalReachesClientsThatSendOn) {
  Start();
  RawClient client(server_->port());
  client.Send("POST /upload?refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  const std::string block(1 << 20, 'x');
  for (int i = 0; i < 32; ++i) ASSERT_TRUE(client.Send(block));
  EXPECT_EQ(client.ReadReply().status, 429);
  EXPECT_LT(server_->figures().received_bytes, 1 << 20);
  client.Close();
  WaitFor([&] { return server_->figures().connections == 0; }, "the connection is gone");
}

TEST_F(HttpServerTest, EndsBodiesThatBreakOff) {
  Start();
  {
    RawClient client(server_->port());
    client.Send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    WaitFor([&] { return server_->figures().received_bytes == 3; }, "the begin of the body");
  }
  WaitFor([&] { return ended_ == 1; }, "the sink is gone");
  EXPECT_EQ(Ask(Request("POST", "/upload", "", "a!b")).status, 422);
  WaitFor([&] { return ended_ == 2; }, "the second sink is gone");
  EXPECT_EQ(Ask("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n0\r\n\r\n")
                .body,
            "3");
  EXPECT_EQ(length_, -1);
}

TEST_F(HttpServerTest, GivesUpSlowClients) {
  HttpServerOptions options = QuickOptions();
  options.slowest_over = std::chrono::seconds(2);
  options.slowest_bytes_per_s = 1000;
  Start(options);
  RawClient silent(server_->port()), header(server_->port()), body(server_->port()),
      drip(server_->port());
  header.Send("GET /hello HT");
  body.Send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  drip.Send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
  std::thread drops([&] {
    for (int i = 0; i < 20 && drip.Send("x"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
  });
  EXPECT_EQ(header.ReadReply().status, 408);
  EXPECT_EQ(body.ReadReply().status, 408);
  EXPECT_EQ(silent.ReadReply().status, 0);
  EXPECT_EQ(drip.ReadReply().status, 408);
  drops.join();
}

TEST_F(HttpServerTest, LimitsConnectionsAndRequestsThatWait) {
  HttpServerOptions options = QuickOptions();
  options.threads = 1;
  options.most_waiting = 2;
  options.most_connections = 6;
  Start(options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back(server_->port());
    if (i < 3) clients.back().Send(Get("/wait"));
    if (i == 0)
      WaitFor([&] { return Waiting() == 1; }, "the first waits");
  }
  WaitFor([&] { return server_->figures().connections == 6; }, "six connections");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  Reply reply = clients[3].Ask(Get("/hello"));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.count("retry-after"), 1u);
  reply = Ask(Get("/hello"));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.count("retry-after"), 1u);
  Release();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(clients[i].ReadReply().status, 200);
}

TEST_F(HttpServerTest, StopsInOrder) {
  Start();
  RawClient busy(server_->port()), idle(server_->port());
  EXPECT_EQ(idle.Ask(Get("/hello")).status, 200);
  busy.Send(Get("/wait"));
  WaitFor([&] { return Waiting() == 1; }, "a route at work");
  std::thread release([&] {
    EXPECT_TRUE(idle.Ended());
    Release();
  });
  server_->Stop(std::chrono::seconds(5));
  release.join();
  const Reply reply = busy.ReadReply();
  EXPECT_EQ(reply.body, "waited");
  EXPECT_EQ(reply.headers.at("connection"), "close");
  EXPECT_EQ(server_->figures().connections, 0);
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  Start();
  HttpServerOptions options;
  options.port = server_->port();
  EXPECT_EQ(MessageOf([&] { HttpServer(options, {}); }, ExitCode::kWrongUse),
            "The port is in use (--port " + std::to_string(options.port) +
                "); choose another one, or 0 for any that is free");
  options.port = 0;
  options.host = "192.0.2.1";
  EXPECT_THAT(MessageOf([&] { HttpServer(options, {}); }, ExitCode::kWrongUse),
              HasSubstr("not one of this machine (--host 192.0.2.1)"));
  options.host = "no host";
  EXPECT_THAT(MessageOf([&] { HttpServer(options, {}); }, ExitCode::kWrongUse),
              HasSubstr("--host"));
  options.host = "127.0.0.1";
  options.tls_key = "key.pem";
  EXPECT_THAT(MessageOf([&] { HttpServer(options, {}); }, ExitCode::kWrongUse),
              HasSubstr("--tls-cert"));
  options.tls_certificate = "/nothing.pem";
  EXPECT_THAT(MessageOf([&] { HttpServer(options, {}); }, ExitCode::kWrongUse),
              HasSubstr("certificate cannot be used"));
}

TEST_F(HttpServerTest, TwoHundredUploadsAtOnce) {
  HttpServerOptions options = QuickOptions();
  options.idle_timeout = std::chrono::seconds(20);
  Start(options);
  const std::string block(64 << 10, 'x');
  const auto before = ResidentKib();
  std::vector<RawClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(server_->port());
    ASSERT_TRUE(clients.back().Send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                                    std::to_string(4 * block.size()) + "\r\n\r\n"));
  }
  for (int round = 0; round < 4; ++round)
    for (RawClient& client : clients) ASSERT_TRUE(client.Send(block));
  for (RawClient& client : clients) EXPECT_EQ(client.ReadReply().body, "262144");
  EXPECT_EQ(server_->figures().received_bytes, 200 * 262144);
  EXPECT_LT(ResidentKib() - before, (64 << 10) * kHeldPerUsed);
}

TEST_F(HttpServerTest, ALongUploadTakesNoMemory) {
  Start();
  const std::string block(256 << 10, 'x');
  RawClient client(server_->port());
  client.Ask(Request("POST", "/upload", "", block));
  const auto before = ResidentKib();
  std::int64_t most = 0;
  client.Send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 268435456\r\n\r\n");
  for (int i = 0; i < 1024; ++i) {
    ASSERT_TRUE(client.Send(block));
    if (i % 64 == 0) most = std::max(most, ResidentKib());
  }
  EXPECT_EQ(client.ReadReply().body, "268435456");
  EXPECT_LT(std::max(most, ResidentKib()) - before, (8 << 10) * kHeldPerUsed);
}

}  // namespace
}  // namespace stemsmith::testing
