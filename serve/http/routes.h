// The table of routes: which one answers a request.
#pragma once

#include <string>
#include <vector>

#include "serve/http/http.h"

namespace stemsmith {

class HttpRouteTable {
 public:
  explicit HttpRouteTable(std::vector<HttpRoute> routes);
  // The route for the request, whose parts are set. The first one whose pattern fits wins, one
  // without {names} before those with them. Throws HttpError 404, and 405 with Allow.
  const HttpRoute& Find(HttpRequest& request, const std::vector<std::string>& segments) const;

 private:
  struct Row {
    HttpRoute route;
    std::vector<std::string> segments;
  };
  std::vector<Row> rows_;
};

}  // namespace stemsmith
