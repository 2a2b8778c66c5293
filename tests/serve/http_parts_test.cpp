// The parts of the server that read what clients send: forms, ranges, events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/files.h"
#include "core/sha256.h"
#include "serve/http/event_hub.h"
#include "serve/http/file_answer.h"
#include "serve/http/multipart.h"
#include "serve/http/request_parser.h"
#include "serve/http/target.h"
#include "serve/http/upload_file.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

using ::testing::HasSubstr;

// `bytes` one by one as a request; its body, or the status of the refusal.
std::string ParseByteByByte(const std::string& bytes) {
  HttpRequestParser parser(16 << 10);
  std::string held, body;
  try {
    for (const char byte : bytes) {
      held += byte;
      const bool in_body = parser.header_done();
      const std::size_t used = parser.Parse(held.data(), held.size());
      if (in_body) body += held.substr(0, parser.decoded());
      held.erase(0, used);
    }
  } catch (const HttpError& error) {
    return std::to_string(error.status());
  }
  return parser.done() && held.empty() ? body : "unfinished";
}

TEST(RequestParserTest, TakesBytesOneByOne) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(ParseByteByByte(head + "Content-Length: 3\r\n\r\nabc"), "abc");
  EXPECT_EQ(ParseByteByByte(chunked + "0\r\n\r\n"), "");
  EXPECT_EQ(ParseByteByByte(chunked + "0\r\nT: x\r\n\r\n"), "");
  EXPECT_EQ(ParseByteByByte(chunked + "1\r\na\r\n2;x=\"y\"\r\nbc\r\n0\r\n\r\n"), "abc");
  EXPECT_EQ(ParseByteByByte(chunked + "0\r\nbad trailer\r\n\r\n"), "400");
  EXPECT_EQ(ParseByteByByte(chunked + "0\r\n\r"), "unfinished");
}

class TextSink : public HttpBodySink {
 public:
  TextSink(std::string& text, std::string name) : text_(text), name_(std::move(name)) {}
  void Take(const char* bytes, std::size_t count) override { text_.append(bytes, count); }
  HttpResponse Finish() override { return {.body = name_}; }

 private:
  std::string& text_;
  const std::string name_;
};

constexpr char kForm[] = "multipart/form-data; boundary=----WebKitFormBoundaryAbC";

struct Form {
  HttpRequest request;
  std::string text, name;
  int status = 0;
  std::string detail;
};

// `body` in pieces of `piece` bytes; "~" stands for the boundary's line begin.
Form Parse(std::string body, std::size_t piece, const std::string& content_type = kForm) {
  for (std::size_t at = 0; (at = body.find('~', at)) != std::string::npos;)
    body.replace(at, 1, "------WebKitFormBoundaryAbC");
  Form form;
  form.request.headers = {{"content-type", content_type}};
  try {
    const auto sink = MakeMultipartSink(form.request, [&](const std::string& name) {
      return std::make_unique<TextSink>(form.text, name);
    });
    for (std::size_t at = 0; at < body.size(); at += piece) {
      const std::string part = body.substr(at, piece);
      sink->Take(part.data(), part.size());
    }
    form.name = sink->Finish().body;
    form.status = 200;
  } catch (const HttpError& error) {
    form.status = error.status();
    form.detail = error.what();
  }
  return form;
}

const std::string kFile =
    "~\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
    "Content-Type: audio/wav\r\n\r\n";
const std::string kField = "~\r\ncontent-disposition: Form-Data; name=model\r\n\r\n";

TEST(MultipartTest, FindsTheFileInPiecesOfAnySize) {
  const std::string content = "\r\r\n\r\n-\r\n--\r\n------WebKitFormBoundaryAb\r\n-----\r\n\r" +
                              std::string("\0x", 2);
  const std::string body = "preamble\r\n" + kField + "htdemucs\r\n" + kFile + content + "\r\n" +
                           "~ \t\r\nContent-Disposition: form-data; name=\"after\"\r\n\r\n\r\n~--" +
                           "\r\nepilogue";
  for (std::size_t piece = 1; piece <= body.size() + 200; piece += piece < 100 ? 1 : 50) {
    const Form form = Parse(body, piece);
    ASSERT_EQ(form.status, 200) << form.detail << piece;
    ASSERT_EQ(form.text, content) << piece;
    ASSERT_EQ(form.name, "a.wav");
    ASSERT_EQ(form.request.query.at("model"), "htdemucs");
    ASSERT_EQ(form.request.query.at("after"), "");
  }
}

struct Name {
  std::string parameters, name;
};

TEST(MultipartTest, TakesNamesAsText) {
  const std::vector<Name> rows = {
      {"filename=plain.wav", "plain.wav"},
      {"filename=\"a;b=c.wav\"", "a;b=c.wav"},
      {"filename=\"a%22b\\\"c.wav\"", "a\"b\"c.wav"},
      {"filename=\"C:\\music\\x.wav\"", "C:\\music\\x.wav"},
      {"filename=\"../../etc/passwd\"", "../../etc/passwd"},
      {"filename=\"\xc3\xa4.wav\"", "ä.wav"},
      {"filename=\"\xe4.wav\"", "?.wav"},
      {"filename=\"a\tb\"", "a b"},
      {"filename=x.wav; filename*=UTF-8''%C3%A4%20b.wav", "ä b.wav"},
      {"filename*=utf-8'en'b.wav", "b.wav"},
      {"filename*=latin1''%e4.wav; filename=c.wav", "c.wav"},
      {"filename*=UTF-8''%00a", " a"},
  };
  for (const Name& row : rows) {
    const Form form = Parse("~\r\nContent-Disposition: form-data; name=f; " + row.parameters +
                                "\r\n\r\nx\r\n~--\r\n",
                            1000);
    EXPECT_EQ(form.status, 200) << row.parameters << form.detail;
    EXPECT_EQ(form.name, row.name);
  }
}

TEST(MultipartTest, RefusesBadForms) {
  const std::string end = "\r\n~--\r\n";
  const std::vector<std::string> bodies = {
      "",
      "no form at all",
      std::string(9000, 'x') + "\r\n" + kFile + "x" + end,
      "~--\r\n",
      kField + "x" + end,
      kFile + "cut off",
      kFile + "cut off\r\n~",
      kFile + "cut off\r\n~-",
      kFile + "x\r\n" + kFile + "y" + end,
      kFile + "x\r\n~more\r\n",
      "~\r\n\r\nx" + end,
      "~\r\nContent-Disposition: form-data\r\n\r\nx" + end,
      "~\r\nContent-Disposition: attachment; filename=a\r\n\r\nx" + end,
      "~\r\nContent-Disposition: form-data; name=f; filename=\"\"\r\n\r\n" + end,
      "~\r\nContent-Disposition: form-data; name=f; filename=\"a\r\n\r\n" + end,
      "~\r\nContent-Disposition: form-data; name=f; filename=\"a\"b\r\n\r\n" + end,
      "~\r\nContent-Disposition: form-data; name=f; name=g; filename=a\r\n\r\n" + end,
      "~\r\nContent-Disposition: form-data; filename*=UTF-8''%zz\r\n\r\n" + end,
      "~\r\nno colon\r\n\r\nx" + end,
      "~\r\nX: " + std::string(9000, 'x') + "\r\n\r\n" + end,
      kField + std::string(5000, 'x') + "\r\n" + kFile + "x" + end,
      kField + "\xff\r\n" + kFile + "x" + end,
  };
  for (const std::string& body : bodies) {
    SCOPED_TRACE(body.substr(0, 200));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100000}}) {
      const Form form = Parse(body, piece);
      EXPECT_EQ(form.status, 400);
      EXPECT_GT(form.detail.size(), 20u);
    }
  }
  std::string many;
  for (int i = 0; i < 100; ++i) many += kField + "x\r\n";
  EXPECT_EQ(Parse(many + kFile + "x" + end, 4096).status, 400);
  for (const std::string type :
       {"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"",
        "multipart/form-data; boundary=a\x01", "text/plain; boundary=a"})
    EXPECT_EQ(Parse("", 1, type).status, 400) << type;
  EXPECT_EQ(Parse("", 1, "multipart/form-data; boundary=" + std::string(71, 'a')).status, 400);
}

TEST(MultipartTest, KnowsForms) {
  HttpRequest request;
  const auto is = [&](const std::string& type) {
    request.headers = {{"Content-Type", type}};
    return IsMultipart(request);
  };
  EXPECT_TRUE(is("Multipart/Form-Data ; boundary=x"));
  EXPECT_TRUE(is("multipart/form-data"));
  EXPECT_FALSE(is("multipart/form-datax"));
  EXPECT_FALSE(is("audio/wav"));
  EXPECT_FALSE(is(""));
}

TEST(UploadFileTest, WritesAndHashes) {
  const TemporaryFolder folder;
  const auto path = folder / "song";
  const std::string first(20 << 20, 'a'), second = "the end";
  {
    UploadFile file(path);
    EXPECT_EQ(file.Sha256Hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    file.Write(first.data(), first.size());
    file.Write("lost", 4);
  }
  EXPECT_THAT(MessageOf([&] { UploadFile{path}; }), HasSubstr("cannot be written"));
  UploadFile file(path, static_cast<std::int64_t>(first.size()));
  file.Write(second.data(), second.size());
  file.Flush();
  EXPECT_EQ(file.bytes(), static_cast<std::int64_t>(first.size() + second.size()));
  EXPECT_EQ(ReadFile(path), first + second);
  EXPECT_EQ(file.Sha256Hex(), Sha256OfFile(path));
  EXPECT_THAT(MessageOf([&] { UploadFile{folder / "none/song"}; }), HasSubstr("cannot be written"));
}

struct RangeRow {
  std::string range;
  int status;
  std::int64_t begin, length;
};

TEST(FileAnswerTest, KnowsRanges) {
  const std::vector<RangeRow> rows = {
      {"", 200, 0, 1000},
      {"bytes=0-", 206, 0, 1000},
      {"bytes=0-0", 206, 0, 1},
      {"bytes=10-19", 206, 10, 10},
      {"bytes=990-2000", 206, 990, 10},
      {"bytes=999-999999999999999999999999", 206, 999, 1},
      {"bytes=-10", 206, 990, 10},
      {"bytes=-2000", 206, 0, 1000},
      {"bytes= 1 - 2 ", 206, 1, 2},
      {"bytes=1000-", 416, 0, 0},
      {"bytes=99999999999999999999-", 416, 0, 0},
      {"bytes=-0", 416, 0, 0},
      {"bytes=5-4", 200, 0, 1000},
      {"bytes=-", 200, 0, 1000},
      {"bytes=--1", 200, 0, 1000},
      {"bytes=a-b", 200, 0, 1000},
      {"bytes=+1-2", 200, 0, 1000},
      {"bytes=1-2,5-6", 200, 0, 1000},
      {"bytes 1-2", 200, 0, 1000},
      {"lines=1-2", 200, 0, 1000},
  };
  for (const RangeRow& row : rows) {
    HttpRequest request{.headers = {{"Range", row.range}}};
    const FilePart part = PartOfFile(request, 1000, "tag");
    EXPECT_EQ(part.status, row.status) << row.range;
    EXPECT_EQ(part.begin, row.begin) << row.range;
    EXPECT_EQ(part.length, row.length) << row.range;
  }
  HttpRequest empty{.headers = {{"Range", "bytes=0-"}}};
  EXPECT_EQ(PartOfFile(empty, 0, "tag").status, 416);
}

TEST(FileAnswerTest, KnowsConditions) {
  const auto status = [](std::vector<std::pair<std::string, std::string>> headers) {
    headers.emplace_back("Range", "bytes=1-1");
    return PartOfFile({.headers = std::move(headers)}, 10, "tag").status;
  };
  EXPECT_EQ(status({{"If-Range", "\"tag\""}}), 206);
  EXPECT_EQ(status({{"If-Range", "\"old\""}}), 200);
  EXPECT_EQ(status({{"If-Range", "W/\"tag\""}}), 200);
  EXPECT_EQ(status({{"If-Range", "Sun, 06 Nov 1994 08:49:37 GMT"}}), 200);
  EXPECT_EQ(status({{"If-None-Match", "\"a\", W/\"tag\""}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "*"}}), 304);
  EXPECT_EQ(status({{"If-None-Match", "tag"}}), 206);
}

TEST(EventTest, TextsStayOneEvent) {
  EXPECT_EQ(EventText("job", "{}"), "event: job\ndata: {}\n\n");
  EXPECT_EQ(EventText("a\nb", "1\n2\r\n3\r4"),
            "event: a b\ndata: 1\ndata: 2\ndata: 3\ndata: 4\n\n");
  EXPECT_EQ(EventText("", ""), "data: \n\n");
}

class Heard : public EventListener {
 public:
  void Deliver(const std::shared_ptr<const std::string>& text) override { all += *text; }
  std::string all;
};

TEST(EventTest, NothingIsLostBetweenTheLookAndTheListening) {
  std::vector<std::function<void()>> posted;
  const auto run = [&] {
    for (const auto& function : std::exchange(posted, {})) function();
  };
  const auto hub = std::make_shared<EventHub>(
      [&](std::function<void()> function) { posted.push_back(std::move(function)); });
  const auto channel = hub->MakeChannel();
  Heard first, second;
  channel->Send("", "before");
  const auto since = hub->Begin();
  channel->Send("", "1");
  EXPECT_TRUE(EventHub::Connect(*channel, first, since));
  channel->Send("", "2");
  EXPECT_TRUE(EventHub::Connect(*channel, second, since));  // gets the 2 once
  hub->End(since);
  run();
  channel->Send("", "3");
  run();
  EXPECT_EQ(channel->listeners(), 2u);
  EventHub::Disconnect(*channel, first);
  channel->Send("", "4");
  run();
  EXPECT_EQ(first.all, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
  EXPECT_EQ(second.all, "data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n");
  // Too much meanwhile: the client has to look again.
  const auto late = hub->Begin();
  for (int i = 0; i < 100; ++i) channel->Send("", std::string(1000, 'x'));
  EXPECT_FALSE(EventHub::Connect(*channel, first, late));
  hub->End(late);
}

}  // namespace
}  // namespace stemsmith::testing
