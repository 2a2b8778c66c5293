#include "serve/http/target.h"

#include <algorithm>
#include <cstdint>

#include "core/text.h"
#include "serve/http/http.h"

namespace stemsmith {
namespace {

[[noreturn]] void Refuse(const std::string& detail) { throw HttpError(400, detail); }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string Segment(std::string_view text) {
  const std::string segment = PercentDecoded(text, false);
  if (segment == "." || segment == "..")
    Refuse("A path may not have the segments '.' and '..': send it without them.");
  if (segment.find('/') != std::string::npos)
    Refuse("A segment of a path may not hold a '/', escaped or not.");
  if (std::any_of(segment.begin(), segment.end(), IsControl))
    Refuse("A path may not hold control characters.");
  if (!IsUtf8(segment)) Refuse("A path must be UTF-8, percent-encoded.");
  return segment;
}

std::string QueryText(std::string_view text) {
  std::string decoded = PercentDecoded(text, true);
  if (decoded.find('\0') != std::string::npos) Refuse("A query may not hold NUL.");
  if (!IsUtf8(decoded)) Refuse("A query must be UTF-8, percent-encoded.");
  return decoded;
}

}  // namespace

std::string PercentDecoded(std::string_view text, bool form) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
      if (low < 0) Refuse("A '%' in the address is not followed by two hexadecimal digits.");
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += form && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = lead < 0x80   ? 0
                     : lead < 0xc2 ? -1
                     : lead < 0xe0 ? 1
                     : lead < 0xf0 ? 2
                     : lead < 0xf5 ? 3
                                   : -1;
    if (more < 0 || text.size() - i <= static_cast<std::size_t>(more)) return false;
    std::uint32_t code = more == 0 ? lead : lead & (0x3f >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10ffff)) ||
        (code >= 0xd800 && code < 0xe000))
      return false;
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

HttpTarget ParseTarget(std::string_view target) {
  HttpTarget parsed;
  for (const char c : target)
    if (IsControl(c) || c == ' ' || static_cast<unsigned char>(c) >= 0x80)
      Refuse("An address may hold ASCII alone: percent-encode the rest of it.");
  if (target.find('#') != std::string_view::npos)
    Refuse("A fragment ('#…') is not sent to servers.");
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (LowerCase(std::string(target.substr(0, scheme.size()))) != scheme) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    parsed.authority = target.substr(0, end);
    target.remove_prefix(end);
    if (parsed.authority.empty() || parsed.authority.find('@') != std::string::npos)
      Refuse("The address of the request names no host, or a user.");
    if (target.empty() || target[0] == '?') {
      parsed.path = "/";
    }
    break;
  }
  if (parsed.path.empty() && (target.empty() || target[0] != '/'))
    Refuse("The target of a request must be a path, as in 'GET /api/v1/health'.");
  const std::size_t question = std::min(target.find('?'), target.size());
  if (parsed.path.empty()) parsed.path = target.substr(0, question);
  for (std::size_t begin = 1; begin <= parsed.path.size();) {
    const std::size_t end = std::min(parsed.path.find('/', begin), parsed.path.size());
    parsed.segments.push_back(Segment(std::string_view(parsed.path).substr(begin, end - begin)));
    begin = end + 1;
  }
  std::string_view query = target.substr(std::min(question + 1, target.size()));
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (!pair.empty())
      parsed.query.emplace_back(QueryText(pair.substr(0, equals)),
                                QueryText(pair.substr(std::min(equals + 1, pair.size()))));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return parsed;
}

}  // namespace stemsmith
