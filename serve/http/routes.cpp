#include "serve/http/routes.h"

#include <algorithm>

#include "core/text.h"
#include "serve/http/target.h"

namespace stemsmith {
namespace {

bool IsName(const std::string& segment) { return segment.size() > 2 && segment.front() == '{'; }

bool Fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  return std::equal(pattern.begin(), pattern.end(), segments.begin(), segments.end(),
                    [](const std::string& part, const std::string& segment) {
                      return IsName(part) ? !segment.empty() : part == segment;
                    });
}

}  // namespace

HttpRouteTable::HttpRouteTable(std::vector<HttpRoute> routes) {
  for (HttpRoute& route : routes) {
    Row row;
    for (std::size_t begin = 1; begin <= route.pattern.size();) {
      const std::size_t end = std::min(route.pattern.find('/', begin), route.pattern.size());
      row.segments.push_back(route.pattern.substr(begin, end - begin));
      begin = end + 1;
    }
    row.route = std::move(route);
    rows_.push_back(std::move(row));
  }
  std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
    return std::count_if(a.segments.begin(), a.segments.end(), IsName) <
           std::count_if(b.segments.begin(), b.segments.end(), IsName);
  });
}

const HttpRoute& HttpRouteTable::Find(HttpRequest& request,
                                      const std::vector<std::string>& segments) const {
  const Row* found = nullptr;
  std::vector<std::string> allowed;
  for (const Row& row : rows_) {
    if (!Fits(row.segments, segments)) continue;
    allowed.push_back(row.route.method);
    if (row.route.method == request.method) {
      found = &row;
      break;
    }
    if (request.method == "HEAD" && row.route.method == "GET" && found == nullptr) found = &row;
  }
  if (found == nullptr) {
    if (allowed.empty())
      throw HttpError(404, "There is nothing at this address: check it, and its letters' case.");
    if (std::count(allowed.begin(), allowed.end(), "GET") > 0) allowed.push_back("HEAD");
    std::sort(allowed.begin(), allowed.end());
    allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
    const std::string methods = JoinNames(allowed);
    throw HttpError(
        405, "Here " + methods + " can be used, not " + request.method.substr(0, 20) + ".",
        {{"Allow", methods}});
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string& part = found->segments[i];
    if (IsName(part)) request.parts[part.substr(1, part.size() - 2)] = segments[i];
  }
  return found->route;
}

}  // namespace stemsmith
