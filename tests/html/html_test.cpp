#include "html/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace stemsmith {
namespace {

TEST(Html, EscapesWhatIsNotText) {
  EXPECT_EQ(Escaped("a <b> & \"c\""), "a &lt;b&gt; &amp; &quot;c&quot;");
  EXPECT_EQ(Escaped("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(Escaped("caf\xe9"), "caf\xef\xbf\xbd");
}

TEST(Html, DataUrisAreBase64) {
  EXPECT_EQ(DataUri("text/plain", ""), "data:text/plain;base64,");
  EXPECT_EQ(DataUri("text/plain", "f"), "data:text/plain;base64,Zg==");
  EXPECT_EQ(DataUri("text/plain", "fo"), "data:text/plain;base64,Zm8=");
  EXPECT_EQ(DataUri("text/plain", "foobar"), "data:text/plain;base64,Zm9vYmFy");
}

TEST(Html, DataInAScriptEndsNoScript) {
  const nlohmann::json json = {{"</script><b>", "caf\xe9 <!--"}};
  const std::string text = ScriptJson(json);
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(text)["</script><b>"], "caf\xef\xbf\xbd <!--");
}

TEST(Html, MarksInWhatIsFilledInStay) {
  EXPECT_EQ(FilledIn("{{A}}, {{B}}, {{A}}", {{"{{A}}", "{{B}}"}, {"{{B}}", "b"}, {"{{A}}", "a"}}),
            "{{B}}, b, a");
}

TEST(Html, NoNumberIsADash) {
  EXPECT_EQ(FigureText("%.1f dB", 2.25), "2.2 dB");
  EXPECT_EQ(FigureText("%.1f dB", std::nan("")), "–");
}

}  // namespace
}  // namespace stemsmith
