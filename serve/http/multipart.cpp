#include "serve/http/multipart.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/text.h"
#include "serve/http/target.h"

namespace stemsmith {
namespace {

constexpr std::size_t kMostPartHeader = 8 << 10, kMostField = 4 << 10, kMostFields = 64;

[[noreturn]] void Refuse(const std::string& detail) { throw HttpError(400, detail); }

std::string_view Trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

// "form-data; name="a"; filename=b": the first word, in small letters, and the parameters, by
// names in small letters. Nothing where it is not well-formed.
struct Disposition {
  std::string kind;
  std::map<std::string, std::string> parameters;
};
std::optional<Disposition> ParseParameters(std::string_view text) {
  Disposition parsed;
  std::size_t at = std::min(text.find(';'), text.size());
  parsed.kind = LowerCase(std::string(Trimmed(text.substr(0, at))));
  while (at < text.size()) {
    ++at;  // the semicolon
    const std::size_t equals = text.find_first_of("=;", at);
    if (equals == std::string_view::npos || text[equals] == ';') {
      if (!Trimmed(text.substr(at, equals - at)).empty()) return {};
      at = std::min(equals, text.size());
      continue;
    }
    const std::string name = LowerCase(std::string(Trimmed(text.substr(at, equals - at))));
    at = std::min(text.find_first_not_of(" \t", equals + 1), text.size());
    std::string value;
    if (at < text.size() && text[at] == '"') {
      // Browsers escape quotes as %22, other clients as \"; a path of Windows has backslashes that
      // escape nothing.
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size() &&
            (text[at + 1] == '\\' || text[at + 1] == '"'))
          ++at;
        value += text[at];
      }
      if (at == text.size()) return {};
      ++at;
      const std::size_t next = std::min(text.find(';', at), text.size());
      if (!Trimmed(text.substr(at, next - at)).empty()) return {};
      at = next;
    } else {
      const std::size_t next = std::min(text.find(';', at), text.size());
      value = Trimmed(text.substr(at, next - at));
      at = next;
    }
    if (name.empty() || !parsed.parameters.emplace(name, value).second) return {};
  }
  return parsed;
}

// A name as text: no control characters, UTF-8.
std::string NameText(std::string name) {
  for (std::size_t at = 0; (at = name.find("%22", at)) != std::string::npos;)
    name.replace(at, 3, "\"");
  if (!IsUtf8(name)) {  // Latin-1, or cut off: what can be read of it
    for (char& c : name)
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return name;
}

// filename*=UTF-8''a%20b (RFC 8187); nothing for other character sets.
std::optional<std::string> ExtendedName(const std::string& value) {
  const std::size_t first = value.find('\''), second = value.find('\'', first + 1);
  if (first == std::string::npos || second == std::string::npos ||
      LowerCase(value.substr(0, first)) != "utf-8")
    return {};
  return PercentDecoded(std::string_view(value).substr(second + 1), false);
}

std::optional<std::string> Boundary(const std::string& content_type) {
  const auto parsed = ParseParameters(content_type);
  if (!parsed || parsed->kind != "multipart/form-data") return {};
  const auto found = parsed->parameters.find("boundary");
  if (found == parsed->parameters.end()) return {};
  const std::string& boundary = found->second;
  constexpr std::string_view kLetters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ";
  if (boundary.empty() || boundary.size() > 70 || boundary.back() == ' ' ||
      boundary.find_first_not_of(kLetters) != std::string::npos)
    return {};
  return boundary;
}

class MultipartSink : public HttpBodySink {
 public:
  MultipartSink(HttpRequest& request, const std::string& boundary,
                std::function<std::unique_ptr<HttpBodySink>(const std::string&)> open)
      : request_(request), delimiter_("\r\n--" + boundary), open_(std::move(open)) {}

  void Take(const char* bytes, std::size_t count) override {
    while (count > 0) {
      const std::size_t used = TakeSome(bytes, count);
      bytes += used;
      count -= used;
    }
  }

  HttpResponse Finish() override {
    if (state_ != State::kEnd) Refuse("The form ends before its last boundary: send it whole.");
    if (!file_) Refuse("The form has no file: add one, with a file name.");
    return file_->Finish();
  }

 private:
  enum class State { kPreamble, kAfterDelimiter, kHeader, kField, kFile, kEnd };

  std::size_t TakeSome(const char* bytes, std::size_t count) {
    switch (state_) {
      case State::kPreamble:
      case State::kField:
      case State::kFile:
        return TakeContent(bytes, count);
      case State::kAfterDelimiter:
        return TakeAfterDelimiter(bytes);
      case State::kHeader:
        return TakeHeader(bytes, count);
      case State::kEnd:
        break;
    }
    return count;
  }

  // Up to the next delimiter. It begins with the only '\r' in it, so that after a mismatch nothing
  // but the bytes that matched has to be given on, and they are known.
  std::size_t TakeContent(const char* bytes, std::size_t count) {
    if (matched_ > 0) {
      const std::size_t more = std::min(delimiter_.size() - matched_, count);
      std::size_t same = 0;
      while (same < more && bytes[same] == delimiter_[matched_ + same]) ++same;
      matched_ += same;
      if (matched_ == delimiter_.size()) EndPart();
      if (same < more) Content(delimiter_.data(), std::exchange(matched_, 0));
      return same;
    }
    const char* found =
        static_cast<const char*>(memmem(bytes, count, delimiter_.data(), delimiter_.size()));
    if (found != nullptr) {
      const auto before = static_cast<std::size_t>(found - bytes);
      Content(bytes, before);
      EndPart();
      return before + delimiter_.size();
    }
    // The end may be the begin of one.
    const std::size_t tail = std::min(count, delimiter_.size() - 1);
    const char* last = static_cast<const char*>(memrchr(bytes + count - tail, '\r', tail));
    if (last != nullptr) {
      const auto size = static_cast<std::size_t>(bytes + count - last);
      if (std::memcmp(last, delimiter_.data(), size) == 0) matched_ = size;
    }
    Content(bytes, count - matched_);
    return count;
  }

  void Content(const char* bytes, std::size_t count) {
    if (count == 0) return;
    if (state_ == State::kFile) file_->Take(bytes, count);
    if (state_ == State::kField) {
      if (text_.size() + count > kMostField)
        Refuse("A field of the form is longer than " + FormatBytes(kMostField) + ".");
      text_.append(bytes, count);
    }
    if (state_ == State::kPreamble && (preamble_ += count) > kMostPartHeader)
      Refuse("The form does not begin with its boundary.");
  }

  void EndPart() {
    matched_ = 0;
    if (state_ == State::kField) {
      if (field_.empty() || !IsUtf8(text_) || text_.find('\0') != std::string::npos)
        Refuse("The fields of the form must have names, and be UTF-8 without NUL.");
      if (++fields_ > kMostFields) Refuse("The form has too many fields.");
      request_.query[field_] = text_;
      request_.query_list.emplace_back(field_, text_);
    }
    text_.clear();
    state_ = State::kAfterDelimiter;
  }

  // "--" ends the form, a line's end begins a part; spaces may be before it.
  std::size_t TakeAfterDelimiter(const char* bytes) {
    text_ += *bytes;
    if (text_ == "--") {
      text_.clear();
      state_ = State::kEnd;
    } else if (text_ == "\r\n") {
      state_ = State::kHeader;  // with this line's end, so that one without lines ends as others do
    } else if (text_ == " " || text_ == "\t") {
      text_.clear();
    } else if (text_ != "-" && text_ != "\r") {
      Refuse("After a boundary of the form there is something else than a line's end.");
    }
    return 1;
  }

  std::size_t TakeHeader(const char* bytes, std::size_t count) {
    const std::size_t before = text_.size();
    const std::size_t more = std::min(count, kMostPartHeader - before);
    text_.append(bytes, more);
    const std::size_t end = text_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end == std::string::npos) {
      if (text_.size() == kMostPartHeader)
        Refuse("The header of a part of the form is longer than " + FormatBytes(kMostPartHeader) +
               ".");
      return more;
    }
    text_.resize(end + 2);
    BeginPart();
    text_.clear();
    return end + 4 - before;
  }

  void BeginPart() {
    std::optional<Disposition> disposition;
    for (std::size_t begin = 2; begin < text_.size();) {
      const std::size_t end = text_.find("\r\n", begin);
      const std::string_view line = std::string_view(text_).substr(begin, end - begin);
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) Refuse("A header within the form has no colon.");
      if (LowerCase(std::string(line.substr(0, colon))) == "content-disposition") {
        disposition = ParseParameters(line.substr(colon + 1));
        if (!disposition) Refuse("A Content-Disposition within the form is not well-formed.");
      }
      begin = end + 2;
    }
    if (!disposition || disposition->kind != "form-data")
      Refuse("A part of the form has no 'Content-Disposition: form-data'.");
    const auto& parameters = disposition->parameters;
    const auto given = [&](const char* name) -> std::optional<std::string> {
      const auto found = parameters.find(name);
      if (found == parameters.end()) return {};
      return found->second;
    };
    auto name = given("filename");
    if (const auto extended = given("filename*"))
      if (const auto decoded = ExtendedName(*extended)) name = decoded;
    if (!name) {
      field_ = NameText(given("name").value_or(""));
      state_ = State::kField;
      return;
    }
    if (name->empty()) Refuse("The form's file has no name: choose a file.");
    if (file_) Refuse("The form has more than one file: send them one by one.");
    file_ = open_(NameText(*name));
    state_ = State::kFile;
  }

  HttpRequest& request_;
  const std::string delimiter_;
  const std::function<std::unique_ptr<HttpBodySink>(const std::string&)> open_;
  std::unique_ptr<HttpBodySink> file_;
  State state_ = State::kPreamble;
  std::size_t matched_ = 2;  // as if a line had ended before the first boundary
  std::string text_, field_;
  std::size_t fields_ = 0, preamble_ = 0;
};

}  // namespace

bool IsMultipart(const HttpRequest& request) {
  const std::string type = request.Header("Content-Type");
  return LowerCase(std::string(Trimmed(type.substr(0, type.find(';'))))) == "multipart/form-data";
}

std::unique_ptr<HttpBodySink> MakeMultipartSink(
    HttpRequest& request,
    std::function<std::unique_ptr<HttpBodySink>(const std::string& name)> open) {
  const auto boundary = Boundary(request.Header("Content-Type"));
  if (!boundary) Refuse("The Content-Type of the form has no usable boundary.");
  return std::make_unique<MultipartSink>(request, *boundary, std::move(open));
}

}  // namespace stemsmith
