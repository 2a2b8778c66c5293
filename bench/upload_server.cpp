// What upload.sh measures: the web app's server with a sink that writes, hashes and flushes.
//
//   upload_server PORT FOLDER      PUT /NAME; GET /memory; until its input ends
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "serve/http/server.h"
#include "serve/http/upload_file.h"

namespace stemsmith {
namespace {

class FileSink : public HttpBodySink {
 public:
  explicit FileSink(const std::string& path) : file_(path) {}
  void Take(const char* bytes, std::size_t count) override { file_.Write(bytes, count); }
  HttpResponse Finish() override {
    file_.Flush();
    return {.body = file_.Sha256Hex()};
  }

 private:
  UploadFile file_;
};

// Of this process in KiB, now and at most: "4000 5000".
std::string Memory() {
  std::ifstream status("/proc/self/status");
  std::string now, most;
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) now = std::to_string(std::atoll(line.c_str() + 6));
    if (line.rfind("VmHWM:", 0) == 0) most = std::to_string(std::atoll(line.c_str() + 6));
  }
  return now + ' ' + most;
}

int Main(char** arguments) {
  const std::string folder = arguments[2];
  HttpServerOptions options;
  options.port = std::atoi(arguments[1]);
  HttpServer server(
      options,
      {{"PUT", "/{name}", {},
        [&](HttpRequest& request, std::int64_t) {
          return std::make_unique<FileSink>(folder + '/' + request.parts.at("name"));
        }},
       {"GET", "/memory", [](HttpRequest&) { return HttpResponse{.body = Memory()}; }, {}}});
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace
}  // namespace stemsmith

int main(int count, char** arguments) {
  if (count != 3) return 2;
  return stemsmith::Main(arguments);
}
