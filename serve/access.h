// Who may ask the web app for something: no page of another origin, no host name that was bent to
// this machine, and with a token only those who know it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "serve/http/http.h"

namespace stemsmith {

struct AccessOptions {
  std::string host = "127.0.0.1";        // as listened on
  std::vector<std::string> other_hosts;  // names under which it is reached besides
  std::string token;                     // empty: none is demanded
};

// Whether an address or name is this machine's loopback.
bool IsLoopback(const std::string& host);

class Access {
 public:
  explicit Access(AccessOptions options);

  // The answer to a request that may not pass.
  std::optional<HttpResponse> Check(const HttpRequest& request) const;
  // In time that does not tell how much of it is right.
  bool IsToken(const std::string& text) const;
  // The value of Set-Cookie that stands for the token; of "" one that takes it back.
  static std::string Cookie(const std::string& token, bool encrypted);

 private:
  void CheckHost(const HttpRequest& request) const;
  void CheckOrigin(const HttpRequest& request) const;
  void CheckToken(const HttpRequest& request) const;

  AccessOptions options_;
  std::string token_hash_;
};

// Sent with every answer: pages take scripts, styles and data from here alone.
std::vector<std::pair<std::string, std::string>> SecurityHeaders();
// Of our page, with the nonce of its styles.
std::string PagePolicy(const std::string& nonce);
// Of reports, which hold their scripts and styles: nothing else, and nothing from here.
std::string ReportPolicy();

}  // namespace stemsmith
