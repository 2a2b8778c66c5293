#include "serve/access.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "core/sha256.h"
#include "core/text.h"

namespace stemsmith {

namespace {

constexpr char kCookie[] = "stemsmith_token";
constexpr int kCookieSeconds = 90 * 86400;

// "[::1]:8080" → "::1", "localhost:8080" → "localhost".
std::string WithoutPort(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, 16> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// What anybody may see: the page, which asks for the token, and whether the server is there.
bool IsOpen(const HttpRequest& request) {
  return request.path == "/" || request.path.starts_with("/page/") ||
         request.path == "/favicon.ico" || request.path == "/api/v1/health" ||
         request.path == "/api/v1/openapi.yaml" ||
         (request.path == "/api/v1/session" && request.method == "POST");
}

}  // namespace

bool IsLoopback(const std::string& host) {
  in_addr four{};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
  return host == "localhost" || host == "::1";
}

Access::Access(AccessOptions options) : options_(std::move(options)) {
  for (std::string& host : options_.other_hosts) host = LowerCase(host);
  if (!options_.token.empty()) token_hash_ = Sha256Of(options_.token);
}

bool Access::IsToken(const std::string& text) const {
  const std::string hash = Sha256Of(text);
  unsigned difference = hash.size() == token_hash_.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(hash.size(), token_hash_.size()); ++i)
    difference |= static_cast<unsigned char>(hash[i] ^ token_hash_[i]);
  return difference == 0;
}

std::string Access::Cookie(const std::string& token, bool encrypted) {
  return std::string(kCookie) + "=" + token + "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" +
         std::to_string(token.empty() ? 0 : kCookieSeconds) + (encrypted ? "; Secure" : "");
}

std::optional<HttpResponse> Access::Check(const HttpRequest& request) const {
  try {
    CheckHost(request);
    CheckOrigin(request);
    CheckToken(request);
    return std::nullopt;
  } catch (const HttpError& error) {
    return ProblemResponse(error);
  }
}

// A page of another origin whose name is made to point here would send its own name.
void Access::CheckHost(const HttpRequest& request) const {
  const std::string host = LowerCase(WithoutPort(request.Header("Host")));
  if (IsLoopback(host) || host == LowerCase(options_.host)) return;
  if (std::find(options_.other_hosts.begin(), options_.other_hosts.end(), host) !=
      options_.other_hosts.end())
    return;
  // A name can be bent, an address cannot.
  if (!IsLoopback(options_.host) && IsAddress(host)) return;
  throw HttpError(421, "This server is not reached under the name '" + host.substr(0, 253) +
                           "'; whoever runs it can allow it by --allow-host.");
}

void Access::CheckOrigin(const HttpRequest& request) const {
  if (request.path == "/" || request.path.starts_with("/page/")) return;
  const std::string site = request.Header("Sec-Fetch-Site");
  bool foreign = site == "cross-site" || site == "same-site";
  const bool changes = request.method != "GET" && request.method != "HEAD";
  if (const std::string origin = request.Header("Origin"); changes && !origin.empty()) {
    const std::size_t host = origin.find("://");
    foreign |= host == std::string::npos ||
               LowerCase(origin.substr(host + 3)) != LowerCase(request.Header("Host"));
  }
  if (foreign)
    throw HttpError(403, "A page of another origin sent this; only pages of this server may.");
}

void Access::CheckToken(const HttpRequest& request) const {
  if (token_hash_.empty() || IsOpen(request)) return;
  const std::string header = request.Header("Authorization");
  if (header.size() > 7 && LowerCase(header.substr(0, 7)) == "bearer " &&
      IsToken(header.substr(7)))
    return;
  if (const auto cookie = request.Cookie(kCookie); cookie && IsToken(*cookie)) return;
  throw HttpError(401, "This server demands its token: send it as 'Authorization: Bearer TOKEN'.",
                  {{"WWW-Authenticate", "Bearer"}});
}

std::vector<std::pair<std::string, std::string>> SecurityHeaders() {
  return {{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Cross-Origin-Opener-Policy", "same-origin"}};
}

std::string PagePolicy(const std::string& nonce) {
  return "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + nonce +
         "'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; frame-src "
         "'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
}

std::string ReportPolicy() {
  return "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
         "style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; "
         "frame-ancestors 'self'";
}

}  // namespace stemsmith
