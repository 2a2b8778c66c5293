#include "serve/http/request_parser.h"

#include <strings.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <limits>

#include "core/text.h"

namespace stemsmith {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kMostTargetBytes = 8 << 10;

std::string String(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HttpRequestParser::Impl : http::basic_parser<true> {
  explicit Impl(std::size_t most_header_bytes) : most_header_bytes(most_header_bytes) {
    // Beast's limit is for what it is given at once. This one, for all of a header, is kept below.
    header_limit(static_cast<std::uint32_t>(
        std::min<std::size_t>(most_header_bytes, std::numeric_limits<std::uint32_t>::max())));
    body_limit(std::numeric_limits<std::uint64_t>::max());
  }

  void on_request_impl(http::verb, beast::string_view method, beast::string_view text, int version,
                       beast::error_code&) override {
    request->method = String(method);
    target_text = String(text);
    version_1_0 = version == 10;
  }
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     beast::error_code&) override {
    if (complete) return;  // a trailer
    switch (field) {
      case http::field::host:
      case http::field::content_length:
      case http::field::transfer_encoding:
        if (!request->Header(String(name)).empty() || (field == http::field::host && host))
          throw HttpError(400, "The header '" + String(name) + "' came twice.");
        host |= field == http::field::host;
        break;
      default:
        break;
    }
    // Beast takes "2, 2" for a 2.
    if (field == http::field::content_length &&
        value.find_first_not_of("0123456789") != beast::string_view::npos)
      throw HttpError(400, "The Content-Length is not a number.");
    if (field == http::field::transfer_encoding) {
      if (!beast::iequals(value, "chunked"))
        throw HttpError(501, "Of Transfer-Encoding only 'chunked' is known.");
      if (version_1_0) throw HttpError(400, "HTTP/1.0 has no Transfer-Encoding.");
      chunked_body = true;
    }
    request->headers.emplace_back(String(name), String(value));
  }
  void on_header_impl(beast::error_code&) override {
    complete = true;
    if (!host && !version_1_0) throw HttpError(400, "The header Host is missing.");
    const auto said = content_length();
    if (said && *said > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      throw HttpError(413, "No body is that long.");
    length = chunked_body ? -1 : static_cast<std::int64_t>(said.value_or(0));
    const std::string expect = request->Header("Expect");
    if (!expect.empty()) {
      if (strcasecmp(expect.c_str(), "100-continue") != 0)
        throw HttpError(417, "Of Expect only '100-continue' is known.");
      expects_continue = !version_1_0 && length != 0;
    }
    target = ParseTarget(target_text);
    request->path = target.path;
    request->query_list = target.query;
    for (const auto& [name, value] : target.query) request->query[name] = value;
    if (!target.authority.empty()) {
      std::erase_if(request->headers, [](const auto& header) {
        return strcasecmp(header.first.c_str(), "host") == 0;
      });
      request->headers.emplace_back("Host", target.authority);
    }
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, beast::error_code&) override {
    // Chunks move up over the lines between them.
    if (into != body.data()) std::memmove(into, body.data(), body.size());
    into += body.size();
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body,
                                 beast::error_code& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(beast::error_code&) override {}

  const std::size_t most_header_bytes;
  std::size_t header_bytes = 0;
  std::shared_ptr<HttpRequest> request = std::make_shared<HttpRequest>();
  std::string target_text;
  HttpTarget target;
  bool version_1_0 = false, host = false, chunked_body = false, complete = false;
  bool expects_continue = false;
  std::int64_t length = 0;
  char* into = nullptr;
  std::size_t decoded = 0;
};

HttpRequestParser::HttpRequestParser(std::size_t most_header_bytes)
    : impl_(std::make_unique<Impl>(most_header_bytes)) {}
HttpRequestParser::~HttpRequestParser() = default;

std::size_t HttpRequestParser::Parse(char* bytes, std::size_t count) {
  Impl& parser = *impl_;
  const bool in_header = !parser.is_header_done();
  std::size_t done = 0;
  parser.into = bytes;
  parser.decoded = 0;
  // Empty lines before a request are passed over (RFC 9112, section 2.2).
  if (in_header && !parser.got_some())
    while (done < count && (bytes[done] == '\r' || bytes[done] == '\n')) ++done;
  parser.eager(!in_header);
  while (done < count && !parser.is_done() && (!in_header || !parser.is_header_done())) {
    // A body in chunks ends with five bytes at least ("0", two line ends): Beast counts on them.
    if (!in_header && parser.chunked_body && count - done < 5) break;
    beast::error_code error;
    const std::size_t used =
        parser.put(boost::asio::const_buffer(bytes + done, count - done), error);
    done += used;
    if (error == http::error::need_more) break;
    if (error == http::error::header_limit) {
      parser.header_bytes = parser.most_header_bytes;
      break;
    }
    if (error == http::error::bad_version)
      throw HttpError(505, "This server speaks HTTP/1.1 and HTTP/1.0.");
    if (error == http::error::bad_transfer_encoding || error == http::error::bad_content_length)
      throw HttpError(400, "The length of the request's body is not clear.");
    if (error) throw HttpError(400, "This is not a request of HTTP: " + error.message() + ".");
    if (used == 0) break;
  }
  if (in_header) {
    parser.header_bytes += done;
    const bool unfinished = !parser.is_header_done();
    if (parser.target_text.size() > kMostTargetBytes ||
        (unfinished && parser.target_text.empty() && count - done > kMostTargetBytes))
      throw HttpError(414, "The address of the request is longer than " +
                               FormatBytes(kMostTargetBytes) + ".");
    if (parser.header_bytes + (unfinished ? count - done : 0) >= parser.most_header_bytes)
      throw HttpError(431, "The header of the request is longer than " +
                               FormatBytes(static_cast<double>(parser.most_header_bytes)) +
                               ": send fewer or shorter cookies and headers.");
  } else {
    parser.decoded = static_cast<std::size_t>(parser.into - bytes);
  }
  return done;
}

std::size_t HttpRequestParser::decoded() const { return impl_->decoded; }
bool HttpRequestParser::got_some() const { return impl_->got_some(); }
bool HttpRequestParser::header_done() const { return impl_->complete; }
bool HttpRequestParser::done() const { return impl_->complete && impl_->is_done(); }
std::int64_t HttpRequestParser::length() const { return impl_->length; }
bool HttpRequestParser::keep_alive() const { return impl_->complete && impl_->keep_alive(); }
bool HttpRequestParser::expects_continue() const { return impl_->expects_continue; }
bool HttpRequestParser::http_1_0() const { return impl_->version_1_0; }
const std::shared_ptr<HttpRequest>& HttpRequestParser::request() const { return impl_->request; }
const HttpTarget& HttpRequestParser::target() const { return impl_->target; }

}  // namespace stemsmith
