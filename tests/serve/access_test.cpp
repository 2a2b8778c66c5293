// Which requests may pass.
#include "serve/access.h"

#include <gtest/gtest.h>

namespace stemsmith {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

int StatusOf(const AccessOptions& options, const std::string& method, const std::string& path,
             const Headers& headers) {
  HttpRequest request;
  request.method = method;
  request.path = path;
  request.headers = headers;
  const auto answer = Access(options).Check(request);
  return answer ? answer->status : 0;
}

TEST(Access, HostsOfThisMachinePass) {
  for (const char* host : {"localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:1", "127.1.2.3",
                           "[::1]:8080", "[::1]"})
    EXPECT_EQ(StatusOf({}, "GET", "/api/v1/jobs", {{"Host", host}}), 0) << host;
}

TEST(Access, OtherNamesDoNot) {
  for (const char* host : {"evil.example", "evil.example:8080", "localhost.evil.example",
                           "127.0.0.1.evil.example", "", "10.0.0.1", "[::2]"})
    EXPECT_EQ(StatusOf({}, "GET", "/api/v1/jobs", {{"Host", host}}), 421) << host;
}

TEST(Access, AllowedNamesPass) {
  const AccessOptions options{.other_hosts = {"Stems.Example.org"}};
  EXPECT_EQ(StatusOf(options, "GET", "/", {{"Host", "stems.example.org:443"}}), 0);
  EXPECT_EQ(StatusOf(options, "GET", "/", {{"Host", "stems.example.com"}}), 421);
}

TEST(Access, AddressesPassWhereAllAreListenedOn) {
  const AccessOptions options{.host = "0.0.0.0"};
  EXPECT_EQ(StatusOf(options, "GET", "/", {{"Host", "192.168.1.7:8080"}}), 0);
  EXPECT_EQ(StatusOf(options, "GET", "/", {{"Host", "[fe80::1]:8080"}}), 0);
  EXPECT_EQ(StatusOf(options, "GET", "/", {{"Host", "evil.example"}}), 421);
}

TEST(Access, PagesOfOtherOriginsChangeNothing) {
  const Headers own = {{"Host", "localhost:8080"}, {"Origin", "http://localhost:8080"}};
  EXPECT_EQ(StatusOf({}, "POST", "/api/v1/jobs", own), 0);
  EXPECT_EQ(StatusOf({}, "POST", "/api/v1/jobs", {{"Host", "localhost:8080"}}), 0);
  for (const char* origin : {"http://evil.example", "null", "http://localhost:9090", "file://", "x"})
    EXPECT_EQ(StatusOf({}, "POST", "/api/v1/jobs",
                       {{"Host", "localhost:8080"}, {"Origin", origin}}),
              403)
        << origin;
}

TEST(Access, CrossSiteRequestsAreRefusedAndLinksToThePageAreNot) {
  const Headers foreign = {{"Host", "localhost"}, {"Sec-Fetch-Site", "cross-site"}};
  for (const char* method : {"GET", "POST", "DELETE"})
    EXPECT_EQ(StatusOf({}, method, "/api/v1/jobs", foreign), 403) << method;
  EXPECT_EQ(StatusOf({}, "GET", "/", foreign), 0);
  EXPECT_EQ(StatusOf({}, "GET", "/api/v1/jobs",
                     {{"Host", "localhost"}, {"Sec-Fetch-Site", "same-origin"}}),
            0);
}

TEST(Access, TokensAreDemandedOfAllButThePage) {
  const AccessOptions options{.token = "0123456789abcdef"};
  const auto status = [&](const std::string& path, const std::string& name,
                          const std::string& value) {
    return StatusOf(options, "GET", path, {{"Host", "localhost"}, {name, value}});
  };
  EXPECT_EQ(status("/", "X", ""), 0);
  EXPECT_EQ(status("/page/app.js", "X", ""), 0);
  EXPECT_EQ(status("/api/v1/health", "X", ""), 0);
  for (const char* path : {"/api/v1/jobs", "/metrics", "/runs/one", "/api/v1/session", "/pages"})
    EXPECT_EQ(status(path, "X", ""), 401) << path;
  EXPECT_EQ(status("/metrics", "Authorization", "Bearer 0123456789abcdef"), 0);
  EXPECT_EQ(status("/metrics", "Authorization", "bearer 0123456789abcdef"), 0);
  EXPECT_EQ(status("/metrics", "Cookie", "a=b; stemsmith_token=0123456789abcdef"), 0);
  for (const char* wrong : {"Bearer 0123456789abcdeF", "Bearer ", "Bearer", "0123456789abcdef",
                            "Bearer 0123456789abcdef0", "Basic 0123456789abcdef"})
    EXPECT_EQ(status("/metrics", "Authorization", wrong), 401) << wrong;
  EXPECT_EQ(status("/metrics", "Cookie", "xstemsmith_token=0123456789abcdef"), 401);
}

TEST(Access, CookiesAreOutOfReach) {
  const std::string cookie = Access::Cookie("token", true);
  for (const char* part : {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"})
    EXPECT_NE(cookie.find(part), std::string::npos) << part;
  EXPECT_EQ(Access::Cookie("token", false).find("Secure"), std::string::npos);
  EXPECT_NE(Access::Cookie("", false).find("Max-Age=0"), std::string::npos);
}

TEST(Access, LoopbackIsKnown) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "localhost", "::1"})
    EXPECT_TRUE(IsLoopback(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "localhost.example", "", "128.0.0.1"})
    EXPECT_FALSE(IsLoopback(host)) << host;
}

}  // namespace
}  // namespace stemsmith
