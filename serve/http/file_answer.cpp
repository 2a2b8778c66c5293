#include "serve/http/file_answer.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

namespace stemsmith {
namespace {

std::string_view Trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

// Digits alone; what is too large is as large as can be.
std::optional<std::int64_t> Position(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return {};
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() ? value : std::numeric_limits<std::int64_t>::max();
}

struct Bounds {
  std::int64_t begin, end;  // begin >= end: outside of the file
};

std::optional<Bounds> ParseRange(std::string_view text, std::int64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (text.substr(0, kUnit.size()) != kUnit) return {};
  text = Trimmed(text.substr(kUnit.size()));
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view from = Trimmed(text.substr(0, dash)), to = Trimmed(text.substr(dash + 1));
  const auto first = Position(from), last = Position(to);
  if ((!first && !from.empty()) || (!last && !to.empty()) || (!first && !last)) return {};
  if (!first) return Bounds{std::max<std::int64_t>(size - *last, 0), *last == 0 ? 0 : size};
  if (last && *last < *first) return {};
  return Bounds{*first, last && *last < size ? *last + 1 : size};
}

}  // namespace

bool NamesTag(const std::string& if_none_match, const std::string& etag) {
  std::string_view rest = if_none_match;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    std::string_view tag = Trimmed(rest.substr(0, end));
    if (tag == "*") return true;
    if (tag.substr(0, 2) == "W/") tag.remove_prefix(2);
    if (tag.size() == etag.size() + 2 && tag.front() == '"' && tag.back() == '"' &&
        tag.substr(1, etag.size()) == etag)
      return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

FilePart PartOfFile(const HttpRequest& request, std::int64_t size, const std::string& etag) {
  FilePart part{.length = size, .headers = {{"Accept-Ranges", "bytes"}}};
  if (!etag.empty()) part.headers.emplace_back("ETag", '"' + etag + '"');
  if (!etag.empty() && NamesTag(request.Header("If-None-Match"), etag)) {
    part.status = 304;
    part.length = 0;
    return part;
  }
  const std::string condition = request.Header("If-Range");
  if (!condition.empty() && condition != '"' + etag + '"') return part;
  const auto bounds = ParseRange(request.Header("Range"), size);
  if (!bounds) return part;
  if (bounds->begin >= bounds->end) {
    part.status = 416;
    part.length = 0;
    part.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return part;
  }
  part.status = 206;
  part.begin = bounds->begin;
  part.length = bounds->end - bounds->begin;
  part.headers.emplace_back("Content-Range", "bytes " + std::to_string(bounds->begin) + "-" +
                                                 std::to_string(bounds->end - 1) + "/" +
                                                 std::to_string(size));
  return part;
}

}  // namespace stemsmith
