// What upload.sh measures: the web app's server with a sink that writes, hashes and flushes.
//
//   upload_server PORT FOLDER core|openssl|none      PUT /NAME; GET /memory; until its input ends
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "core/sha256.h"
#include "serve/http/server.h"

namespace stemsmith {
namespace {

class FileSink : public HttpBodySink {
 public:
  FileSink(const std::string& path, std::string hash)
      : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)),
        hash_(std::move(hash)),
        openssl_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(openssl_, EVP_sha256(), nullptr);
  }
  ~FileSink() override {
    EVP_MD_CTX_free(openssl_);
    close(file_);
  }
  void Take(const char* bytes, std::size_t count) override {
    if (hash_ == "core") core_.Update(bytes, count);
    if (hash_ == "openssl") EVP_DigestUpdate(openssl_, bytes, count);
    if (write(file_, bytes, count) != static_cast<ssize_t>(count)) throw HttpError(507, "Full.");
  }
  HttpResponse Finish() override {
    fsync(file_);
    return {.body = hash_ == "core" ? core_.Hex() : ""};
  }

 private:
  const int file_;
  const std::string hash_;
  Sha256 core_;
  EVP_MD_CTX* openssl_;
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
  const std::string folder = arguments[2], hash = arguments[3];
  HttpServerOptions options;
  options.port = std::atoi(arguments[1]);
  HttpServer server(
      options,
      {{"PUT", "/{name}", {},
        [&](HttpRequest& request, std::int64_t) {
          return std::make_unique<FileSink>(folder + '/' + request.parts.at("name"), hash);
        }},
       {"GET", "/memory", [](HttpRequest&) { return HttpResponse{.body = Memory()}; }, {}}});
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace
}  // namespace stemsmith

int main(int count, char** arguments) {
  if (count != 4) return 2;
  return stemsmith::Main(arguments);
}
