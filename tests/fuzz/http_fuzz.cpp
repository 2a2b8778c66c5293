// Any bytes are requests or refusals, whatever pieces they come in: the same ones in one piece and
// in many. Forms, ranges, cookies and the targets are read of whatever is a request.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "serve/http/answer_head.h"
#include "serve/http/file_answer.h"
#include "serve/http/http.h"
#include "serve/http/input_buffer.h"
#include "serve/http/multipart.h"
#include "serve/http/request_parser.h"
#include "serve/http/routes.h"

namespace stemsmith {
namespace {

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

class KeptSink : public HttpBodySink {
 public:
  KeptSink(std::string& kept, const std::string& name) : kept_(kept) { kept_ += name + '\n'; }
  void Take(const char* bytes, std::size_t count) override { kept_.append(bytes, count); }
  HttpResponse Finish() override { return {}; }

 private:
  std::string& kept_;
};

std::string Form(HttpRequest request, const std::string& body, std::size_t piece) {
  std::string kept;
  try {
    const auto sink = MakeMultipartSink(request, [&](const std::string& name) {
      for (const char c : name) Require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
      Require(IsUtf8(name) && !name.empty());
      return std::make_unique<KeptSink>(kept, name);
    });
    for (std::size_t at = 0; at < body.size(); at += piece) {
      const std::string part = body.substr(at, piece);
      sink->Take(part.data(), part.size());
    }
    sink->Finish();
    kept += "\nend";
  } catch (const HttpError& error) {
    Require(error.status() == 400);
  }
  for (const auto& [name, value] : request.query)
    Require(IsUtf8(name) && value.find('\0') == std::string::npos && IsUtf8(value));
  Require(kept.size() <= body.size() + 8192);
  return kept;
}

const HttpRouteTable& Table() {
  static const HttpRouteTable table({{"GET", "/", {}, {}},
                                     {"GET", "/api/v1/jobs/{job}/files/{file}", {}, {}},
                                     {"POST", "/api/v1/jobs", {}, {}}});
  return table;
}

// What a request is, in words: to be the same however its bytes come.
std::string Look(const HttpRequestParser& parser, const std::string& body) {
  HttpRequest request = *parser.request();
  std::string text = request.method + ' ' + request.path + ' ' + std::to_string(parser.length()) +
                     (parser.keep_alive() ? " keep " : " close ");
  for (const auto& [name, value] : request.headers) {
    text += name + ':' + value + '\n';
    Require(value.find_first_of(std::string("\r\n\0", 3)) == std::string::npos);
  }
  for (const std::string& segment : parser.target().segments) {
    Require(segment != "." && segment != ".." && IsUtf8(segment));
    Require(segment.find_first_of(std::string("/\0\n", 3)) == std::string::npos);
  }
  for (const auto& [name, value] : request.query_list)
    Require(IsUtf8(name) && IsUtf8(value) && value.find('\0') == std::string::npos);
  try {
    Table().Find(request, parser.target().segments);
    for (const auto& [name, value] : request.parts) Require(!value.empty());
  } catch (const HttpError& error) {
    Require(error.status() == 404 || error.status() == 405);
    const HttpResponse problem = ProblemResponse(error);
    const std::string head = AnswerHead(problem, {1, true, false}, {{"X-Method", request.method}});
    Require(head.find("\r\n\r\n") == head.size() - 4);
  }
  request.Cookie("stemsmith_token");
  for (const std::int64_t size : {0, 1, 1000}) {
    const FilePart part = PartOfFile(request, size, "tag");
    Require(part.begin >= 0 && part.length >= 0 && part.begin + part.length <= size);
    Require(part.status != 206 || part.length > 0);
  }
  if (IsMultipart(request)) {
    const std::string whole = Form(request, body, std::max<std::size_t>(body.size(), 1));
    const bool good = whole.size() >= 4 && whole.compare(whole.size() - 4, 4, "\nend") == 0;
    for (const std::size_t piece : {1, 3, 64})
      if (const std::string pieces = Form(request, body, piece); good) Require(pieces == whole);
  }
  return text + body;
}

// All requests of the bytes until one is refused, as the server reads them.
std::vector<std::string> Requests(const std::string& bytes, std::size_t piece) {
  std::vector<std::string> all;
  InputBuffer in;
  std::size_t read = 0;
  const auto fill = [&](std::size_t capacity) {
    in.Reserve(capacity);
    const std::size_t count = std::min({piece, bytes.size() - read, in.room()});
    std::copy_n(bytes.data() + read, count, in.space());
    in.Add(count);
    read += count;
    return count > 0;
  };
  try {
    for (;;) {
      HttpRequestParser parser(16 << 10);
      while (!parser.header_done()) {
        if (in.empty() && !fill(16 << 10)) return all;
        const std::size_t used = parser.Parse(in.data(), in.size());
        in.Drop(used);
        if (!parser.header_done() && !fill(16 << 10)) return all;
      }
      std::string body;
      while (!parser.done()) {
        const std::size_t used = in.empty() ? 0 : parser.Parse(in.data(), in.size());
        Require(used <= in.size() && (used == 0 || parser.decoded() <= used));
        if (used > 0) body.append(in.data(), parser.decoded());
        in.Drop(used);
        if (used == 0 && !fill(20 << 10)) return all;
      }
      all.push_back(Look(parser, body));
      if (!parser.keep_alive()) return all;
    }
  } catch (const HttpError& error) {
    Require(error.status() >= 400 && error.status() < 600 && *error.what() != '\0');
  }
  return all;
}

}  // namespace
}  // namespace stemsmith

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stemsmith;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = Requests(bytes, std::max<std::size_t>(size, 1));
  Require(Requests(bytes, size < 1000 ? 1 : 7) == whole);
  return 0;
}
