#include "catalogue/http.h"

#include "core/module.h"

namespace stemsmith {

HttpResult HttpGet(const HttpGetRequest& request) {
  static const auto get = reinterpret_cast<HttpGetFunction>(
      LoadModuleSymbol("curl", "stemsmith_http_get", "downloads"));
  return get(request);
}

}  // namespace stemsmith
