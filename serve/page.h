// The page: its files, built in, and how they are answered.
#pragma once

#include <vector>

#include "serve/http/http.h"

namespace stemsmith {

// `/` and `/page/NAME`.
std::vector<HttpRoute> PageRoutes();

}  // namespace stemsmith
