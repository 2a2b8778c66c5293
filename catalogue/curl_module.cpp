// The module libstemsmith_curl.so. Every call of libcurl is in this file.
#include <curl/curl.h>

#include <charconv>
#include <exception>
#include <memory>
#include <string_view>

#include "catalogue/http.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Transfer {
  const HttpGetRequest& request;
  CURL* handle;
  HttpAnswer answer;
  bool started = false, stopped = false;
  std::exception_ptr thrown;

  bool Wanted() const { return answer.status == 200 || answer.status == 206; }
  void Start() {
    if (started || !Wanted()) return;
    started = true;
    if (request.start) request.start(answer);
  }
};

std::string_view Trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// The value of the header `name`, or nothing.
std::optional<std::string_view> ValueOf(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  for (std::size_t i = 0; i < name.size(); ++i)
    if ((line[i] | 0x20) != name[i]) return std::nullopt;
  return Trimmed(line.substr(name.size() + 1));
}

template <typename T>
std::optional<T> NumberIn(std::string_view text) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "bytes 100-199/1000", "bytes */1000".
void ReadContentRange(std::string_view value, HttpAnswer& answer) {
  if (!value.starts_with("bytes ")) return;
  value.remove_prefix(6);
  const auto slash = value.find('/'), dash = value.find('-');
  if (slash != std::string_view::npos)
    answer.whole = NumberIn<std::uint64_t>(value.substr(slash + 1));
  if (dash != std::string_view::npos && dash < slash)
    answer.begin = NumberIn<std::uint64_t>(value.substr(0, dash)).value_or(0);
}

std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  HttpAnswer& answer = transfer.answer;
  const std::string_view line = Trimmed({data, size});
  if (line.starts_with("HTTP/")) {  // of each redirect, too
    answer = {};
    const auto space = line.find(' ');
    if (space != std::string_view::npos)
      answer.status = NumberIn<int>(line.substr(space + 1, 3)).value_or(0);
  } else if (const auto range = ValueOf(line, "content-range")) {
    ReadContentRange(*range, answer);
  } else if (const auto length = ValueOf(line, "content-length")) {
    if (answer.status == 200) answer.whole = NumberIn<std::uint64_t>(*length);
  } else if (const auto etag = ValueOf(line, "etag")) {
    if (!etag->starts_with("W/")) answer.validator = *etag;
  } else if (const auto date = ValueOf(line, "last-modified")) {
    if (answer.validator.empty()) answer.validator = *date;
  } else if (const auto wait = ValueOf(line, "retry-after")) {
    answer.retry_after_s = NumberIn<int>(*wait).value_or(0);
  }
  return size;
}

std::size_t OnData(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (!transfer.Wanted()) return size;  // a page that says what went wrong
  try {
    transfer.Start();
    transfer.request.data(data, size);
    return size;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    if (transfer.request.stop && transfer.request.stop()) transfer.stopped = true;
  } catch (...) {
    transfer.thrown = std::current_exception();
    transfer.stopped = true;
  }
  return transfer.stopped ? 1 : 0;
}

// What a proxy answered that did not let the connection through; 0 where none refused.
long RefusalOfProxy(CURL* handle) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_HTTP_CONNECTCODE, &status);
  return status >= 300 ? status : 0;
}

bool NeverReached(CURLcode code, CURL* handle) {
  if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
      code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
      code == CURLE_PEER_FAILED_VERIFICATION || RefusalOfProxy(handle) != 0)
    return true;
  curl_off_t connected_after = 0;
  curl_easy_getinfo(handle, CURLINFO_CONNECT_TIME_T, &connected_after);
  return code == CURLE_OPERATION_TIMEDOUT && connected_after == 0;
}

std::string ProblemOf(CURLcode code, const char* details) {
  const std::string reason = *details != '\0' ? details : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return "the name of the server is not known here: no network, or no name server";
    case CURLE_COULDNT_RESOLVE_PROXY:
      return "the name of the proxy is not known here";
    case CURLE_PARTIAL_FILE:
      return "the connection ended before the file did";
    case CURLE_TOO_MANY_REDIRECTS:
      return "the server redirects without end";
    default:
      return reason;
  }
}

}  // namespace

extern "C" __attribute__((visibility("default"))) HttpResult stemsmith_http_get(
    const HttpGetRequest& request);

HttpResult stemsmith_http_get(const HttpGetRequest& request) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, FreeHandle> handle(ready == CURLE_OK ? curl_easy_init() : nullptr);
  if (!handle) return {{}, "libcurl does not start", false};
  Transfer transfer{request, handle.get(), {}, false, false, nullptr};
  char details[CURL_ERROR_SIZE] = "";
  const auto set = [&](CURLoption option, auto value) {
    curl_easy_setopt(handle.get(), option, value);
  };
  set(CURLOPT_URL, request.address.c_str());
  set(CURLOPT_USERAGENT, "stemsmith/" STEMSMITH_VERSION);
  set(CURLOPT_PROTOCOLS_STR, "https,http");
  set(CURLOPT_REDIR_PROTOCOLS_STR, request.address.starts_with("https:") ? "https" : "https,http");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, 10L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.connect_s));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_s));
  set(CURLOPT_ERRORBUFFER, details);
  set(CURLOPT_HEADERFUNCTION, &OnHeader);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &OnData);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &OnProgress);
  set(CURLOPT_XFERINFODATA, &transfer);
  // Not CURLOPT_RESUME_FROM, which takes a server that sends the whole file for an error.
  std::unique_ptr<curl_slist, FreeList> headers;
  const std::string range = std::to_string(request.begin) + "-";
  if (request.begin > 0) {
    set(CURLOPT_RANGE, range.c_str());
    if (!request.validator.empty())
      headers.reset(curl_slist_append(nullptr, ("If-Range: " + request.validator).c_str()));
    set(CURLOPT_HTTPHEADER, headers.get());
  }
  const CURLcode code = curl_easy_perform(handle.get());
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (code == CURLE_OK) transfer.Start();  // an empty file
  HttpResult result{transfer.answer, "", false};
  if (code == CURLE_OK) return result;
  result.problem = transfer.stopped ? "stopped" : ProblemOf(code, details);
  result.offline = !transfer.stopped && NeverReached(code, handle.get());
  if (const long status = RefusalOfProxy(handle.get()); status != 0) {
    result.answer = {};  // its own, not the server's
    result.problem = "the proxy refuses the connection (" + std::to_string(status) + ")";
  }
  return result;
}

}  // namespace stemsmith
