#include "serve/page.h"

#include <span>
#include <string>
#include <string_view>

#include "core/files.h"
#include "serve/access.h"
#include "serve/data_folder.h"
#include "serve/page_files.h"

namespace stemsmith {

namespace {

const char* TypeOf(std::string_view name) {
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

HttpResponse PageFileResponse(const HttpRequest& request, const page_files::File& file) {
  HttpResponse response{.content_type = TypeOf(file.name)};
  const std::string etag = '"' + HexHash(HashBytes(file.text)) + '"';
  response.headers = {{"Cache-Control", "no-cache"}, {"ETag", etag}};
  if (request.Header("If-None-Match") == etag)
    response.status = 304;
  else
    response.body = file.text;
  return response;
}

HttpResponse IndexResponse(const page_files::File& file) {
  HttpResponse response{.content_type = TypeOf("index.html"), .body = std::string(file.text)};
  const std::string nonce = NewId(), mark = "{{nonce}}";
  for (std::size_t at; (at = response.body.find(mark)) != std::string::npos;)
    response.body.replace(at, mark.size(), nonce);
  response.headers = {{"Content-Security-Policy", PagePolicy(nonce)},
                      {"Cache-Control", "no-store"}};
  return response;
}

}  // namespace

std::vector<HttpRoute> PageRoutes() {
  return {
      {.method = "GET",
       .pattern = "/",
       .answer = [](HttpRequest&) { return IndexResponse(page_files::Files()[0]); }},
      {.method = "GET",
       .pattern = "/page/{name}",
       .answer =
           [](HttpRequest& request) {
             for (const page_files::File& file : page_files::Files().subspan(1))
               if (request.parts["name"] == file.name) return PageFileResponse(request, file);
             throw HttpError(404, "The page has no such file.");
           }},
  };
}

}  // namespace stemsmith
