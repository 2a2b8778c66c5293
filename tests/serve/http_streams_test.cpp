// Long answers: files, and streams of events; with TLS, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "serve/http/multipart.h"
#include "serve/http/server.h"
#include "tests/support/error_of.h"
#include "tests/support/http_client.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

using ::testing::HasSubstr;

class NameSink : public HttpBodySink {
 public:
  explicit NameSink(std::string name) : name_(std::move(name)) {}
  void Take(const char*, std::size_t count) override { bytes_ += count; }
  HttpResponse Finish() override { return {.body = name_ + " " + std::to_string(bytes_)}; }

 private:
  const std::string name_;
  std::size_t bytes_ = 0;
};

class HttpStreamsTest : public ::testing::Test {
 protected:
  void Start(HttpServerOptions options = QuickOptions()) {
    const std::vector<HttpRoute> routes = {
        {"GET", "/files/{file}",
         [this](HttpRequest& request) {
           HttpResponse response;
           response.content_type = "audio/wav";
           response.headers = {{"Cache-Control", "private"}};
           response.file = folder_ / request.parts.at("file");
           response.etag = "tag";
           return response;
         },
         {}},
        {"GET", "/tagged",
         [](HttpRequest&) { return HttpResponse{.body = "{}", .etag = "t"}; }, {}},
        {"GET", "/events",
         [this](HttpRequest&) {
           HttpResponse response;
           response.events = channel_;
           response.first = {{"now", "0"}};
           return response;
         },
         {}},
        {"POST", "/form", {},
         [](HttpRequest& request, std::int64_t) -> std::unique_ptr<HttpBodySink> {
           return MakeMultipartSink(request, [](const std::string& name) {
             return std::make_unique<NameSink>(name);
           });
         }},
    };
    server_ = std::make_unique<HttpServer>(options, routes);
    channel_ = server_->MakeEventChannel();
  }
  // Gone before its server.
  ~HttpStreamsTest() override { channel_.reset(); }

  TemporaryFolder folder_;
  std::unique_ptr<HttpServer> server_;
  std::shared_ptr<EventChannel> channel_;
};

TEST_F(HttpStreamsTest, SendsFiles) {
  std::string content(1000000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 >> 3);
  std::ofstream(folder_ / "a") << content;
  std::ofstream(folder_ / "empty");
  Start();
  RawClient client(server_->port());
  Reply reply = client.Ask(Get("/files/a"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.body == content);
  EXPECT_EQ(reply.headers.at("etag"), "\"tag\"");
  EXPECT_EQ(reply.headers.at("accept-ranges"), "bytes");
  EXPECT_EQ(reply.headers.at("content-type"), "audio/wav");
  reply = client.Ask(Get("/files/a", "Range: bytes=100-300000\r\nIf-Range: \"tag\"\r\n"));
  EXPECT_EQ(reply.status, 206);
  EXPECT_TRUE(reply.body == content.substr(100, 299901));
  EXPECT_EQ(reply.headers.at("content-range"), "bytes 100-300000/1000000");
  reply = client.Ask("HEAD /files/a HTTP/1.1\r\nHost: a\r\nRange: bytes=-1\r\n\r\n", true);
  EXPECT_EQ(reply.status, 206);
  EXPECT_EQ(reply.headers.at("content-length"), "1");
  reply = client.Ask(Get("/files/a", "If-None-Match: \"tag\"\r\n"));
  EXPECT_EQ(reply.status, 304);
  EXPECT_EQ(reply.headers.at("etag"), "\"tag\"");
  EXPECT_EQ(reply.headers.at("cache-control"), "private");
  reply = client.Ask(Get("/files/a", "Range: bytes=1000000-\r\n"));
  EXPECT_EQ(reply.status, 416);
  EXPECT_EQ(reply.headers.at("content-range"), "bytes */1000000");
  EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(client.Ask(Get("/files/empty")).headers.at("content-length"), "0");
  EXPECT_EQ(client.Ask(Get("/files/missing")).status, 404);
  EXPECT_EQ(client.Ask(Get("/tagged", "If-None-Match: \"t\"\r\n")).status, 304);
  EXPECT_EQ(client.Ask(Get("/tagged")).body, "{}");
  EXPECT_GE(server_->figures().sent_bytes, 1000000 + 299901 + 2);
}

TEST_F(HttpStreamsTest, SendsARemovedFileWholeAndGivesUpSlowReaders) {
  HttpServerOptions options = QuickOptions();
  Start(options);
  {
    std::ofstream file(folder_ / "large");
    for (int i = 0; i < 20; ++i) file << std::string(1 << 20, static_cast<char>('a' + i));
  }
  RawClient slow(server_->port(), 4096), client(server_->port(), 4096);
  client.Send(Get("/files/large"));
  slow.Send(Get("/files/large"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("Content-Length: 20971520"));
  slow.ReadUntil("\r\n\r\n");
  std::filesystem::remove(folder_ / "large");
  std::size_t read = 0;
  for (std::string bytes; !(bytes = client.Receive(64 << 10)).empty(); read += bytes.size()) {
    if (read + bytes.size() == 20u << 20) {
      read += bytes.size();
      break;
    }
  }
  EXPECT_EQ(read, 20u << 20);
  client.Close();
  WaitFor([&] { return server_->figures().connections == 0; }, "the slow reader is given up");
}

TEST_F(HttpStreamsTest, SendsEventsToAllWhoListen) {
  Start();
  RawClient one(server_->port()), two(server_->port());
  one.Send(Get("/events"));
  two.Send(Get("/events"));
  const Reply head = one.ReadReply();
  EXPECT_EQ(head.headers.at("content-type"), "text/event-stream");
  EXPECT_EQ(head.headers.at("connection"), "close");
  EXPECT_EQ(head.headers.count("content-length"), 0u);
  one.ReadUntil("event: now\ndata: 0\n\n");
  two.ReadUntil("event: now\ndata: 0\n\n");
  WaitFor([&] { return channel_->listeners() == 2; }, "two listen");
  channel_->Send("job", "1");
  EXPECT_EQ(one.ReadUntil("1\n\n"), "event: job\ndata: 1\n\n");
  two.ReadUntil("event: job\ndata: 1\n\n");
  two.ReadUntil(":\n\n");  // a comment
  two.Close();
  WaitFor([&] { return server_->figures().event_streams == 1; }, "one has left");
  EXPECT_EQ(channel_->listeners(), 1u);
  EXPECT_EQ(RawClient(server_->port())
                .Ask("HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n", true)
                .headers.at("content-type"),
            "text/event-stream");
  server_->Stop(std::chrono::seconds(5));
  EXPECT_TRUE(one.Ended());
  channel_->Send("job", "2");
}

TEST_F(HttpStreamsTest, ClosesListenersThatDoNotRead) {
  Start();
  RawClient client(server_->port(), 4096);
  client.Send(Get("/events"));
  client.ReadUntil("data: 0\n\n");
  WaitFor([&] { return channel_->listeners() == 1; }, "it listens");
  for (int i = 0; i < 2000 && channel_->listeners() > 0; ++i) {
    channel_->Send("job", std::string(1000, 'x'));
    if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  WaitFor([&] { return server_->figures().connections == 0; }, "its connection is closed");
}

TEST_F(HttpStreamsTest, AThousandIdleStreamsCostLittle) {
  HttpServerOptions options = QuickOptions();
  options.event_pause = std::chrono::seconds(60);
  Start(options);
  {
    RawClient warm(server_->port());
    warm.Send(Get("/events"));
    warm.ReadUntil("data: 0\n\n");
  }
  const auto before = ResidentKib();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    clients.back()->Send(Get("/events"));
  }
  for (const auto& client : clients) client->ReadUntil("data: 0\n\n");
  WaitFor([&] { return channel_->listeners() == 1000; }, "all listen");
  const auto each = (ResidentKib() - before) / 1000.0;
  RecordProperty("kib_each", static_cast<int>(each));
  EXPECT_LT(each, 20 * kHeldPerUsed);
  channel_->Send("job", "1");
  for (const auto& client : clients) client->ReadUntil("event: job\ndata: 1\n\n");
  clients.clear();
  WaitFor([&] { return server_->figures().event_streams == 0; }, "all have left");
}

TEST_F(HttpStreamsTest, TakesForms) {
  Start();
  const std::string file(300000, '\r');
  const std::string form = "--b\r\nContent-Disposition: form-data; name=f; filename=a.wav\r\n\r\n" +
                           file + "\r\n--b--\r\n";
  RawClient client(server_->port());
  EXPECT_EQ(client.Ask(Request("POST", "/form", "Content-Type: multipart/form-data; boundary=b\r\n",
                               form))
                .body,
            "a.wav 300000");
  EXPECT_EQ(client.Ask(Request("POST", "/form", "Content-Type: multipart/form-data; boundary=b\r\n",
                               form.substr(0, 200)))
                .status,
            400);
}

// A client of OpenSSL over a connection of its own.
class TlsClient {
 public:
  explicit TlsClient(int port, int most_version = 0) : context_(SSL_CTX_new(TLS_client_method())) {
    if (most_version != 0) {
      SSL_CTX_set_max_proto_version(context_, most_version);
      SSL_CTX_set_cipher_list(context_, "ALL:@SECLEVEL=0");
    }
    BIO* connection = BIO_new_ssl_connect(context_);
    BIO_set_conn_hostname(connection, ("127.0.0.1:" + std::to_string(port)).c_str());
    bio_ = connection;
    connected_ = BIO_do_connect(connection) == 1 && BIO_do_handshake(connection) == 1;
  }
  ~TlsClient() {
    BIO_free_all(bio_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  bool connected() const { return connected_; }
  void Send(const std::string& bytes) {
    BIO_write(bio_, bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string ReadUntil(const std::string& text) {
    std::string read;
    while (read.find(text) == std::string::npos) {
      char bytes[8192];
      const int count = BIO_read(bio_, bytes, sizeof bytes);
      if (count <= 0) break;
      read.append(bytes, static_cast<std::size_t>(count));
    }
    return read;
  }

 private:
  SSL_CTX* context_;
  BIO* bio_ = nullptr;
  bool connected_ = false;
};

TEST_F(HttpStreamsTest, SpeaksTls) {
  const std::string certificate = (folder_ / "cert.pem").string();
  const std::string key = (folder_ / "key.pem").string();
  ASSERT_EQ(RunProgram("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
                       "-days 2 -subj /CN=localhost -keyout " + key + " -out " + certificate)
                .status,
            0);
  HttpServerOptions options = QuickOptions();
  options.tls_certificate = certificate;
  options.tls_key = certificate;
  EXPECT_THAT(MessageOf([&] { Start(options); }, ExitCode::kWrongUse), HasSubstr("--tls-key"));
  options.tls_key = key;
  options.check = [](const HttpRequest& request) -> std::optional<HttpResponse> {
    if (!request.encrypted) throw HttpError(403, "Not encrypted.");
    return {};
  };
  Start(options);
  std::ofstream(folder_ / "a") << std::string(3000000, 'x') << "end";
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected());
  client.Send(Get("/files/a"));
  const std::string answer = client.ReadUntil("end");
  EXPECT_THAT(answer.substr(0, 300), HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, 3000003u);
  client.Send(Request("POST", "/form", "Content-Type: multipart/form-data; boundary=b\r\n",
                      "--b\r\nContent-Disposition: form-data; filename=n\r\n\r\n" +
                          std::string(500000, 'y') + "\r\n--b--"));
  EXPECT_THAT(client.ReadUntil("500000"), HasSubstr("n 500000"));
  {
    TlsClient events(server_->port());
    events.Send(Get("/events"));
    EXPECT_THAT(events.ReadUntil("data: 0\n\n"), HasSubstr("data: 0"));
    channel_->Send("job", "later");
    EXPECT_THAT(events.ReadUntil("later"), HasSubstr("data: later"));
  }
  WaitFor([&] { return server_->figures().event_streams == 0; }, "the listener left");
  EXPECT_FALSE(TlsClient(server_->port(), TLS1_1_VERSION).connected());
  EXPECT_TRUE(TlsClient(server_->port(), TLS1_2_VERSION).connected());
  RawClient plain(server_->port());
  plain.Send(Get("/events"));
  EXPECT_TRUE(plain.Ended());
}

}  // namespace
}  // namespace stemsmith::testing
