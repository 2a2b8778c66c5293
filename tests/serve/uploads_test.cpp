// What becomes of the names that users give their files, and of ids.
#include "serve/uploads.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "serve/job_request.h"

namespace stemsmith {
namespace {

TEST(ShownName, IsANameAndNoPath) {
  const std::pair<const char*, const char*> cases[] = {
      {"Song.mp3", "Song"},
      {"C:\\Music\\Song.wav", "Song"},
      {"../../etc/passwd", "passwd"},
      {"..", "song"},
      {"", "song"},
      {"/", "song"},
      {".hidden", ".hidden"},
      {"Mr. Blue Sky.flac", "Mr. Blue Sky"},
      {"A set.stem.mp4", "A set"},
      {"tab\there\n", "tab here"},
      {"Größe.ogg", "Größe"},
      {"\xff\xfe.wav", ".wav"},
      {"   ", "song"},
  };
  for (const auto& [name, shown] : cases) EXPECT_EQ(ShownName(name), shown) << name;
  EXPECT_LE(ShownName(std::string(100'000, 'x')).size(), 200u);
}

TEST(Ids, AreOfOneFormAndDiffer) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(NewId());
  EXPECT_EQ(ids.size(), 1000u);
  for (const std::string& id : ids) EXPECT_TRUE(IsId(id)) << id;
  for (const char* text : {"", "..", "a/b", "0123456789012345678901/", "012345678901234567890",
                           "01234567890123456789012", "0123456789012345678 1"})
    EXPECT_FALSE(IsId(text)) << text;
}

TEST(JobRequest, ReadsWhatItWrites) {
  const nlohmann::json json = {{"stems", {"vocals", "drums"}},
                               {"mixes", {"karaoke=drums+bass"}},
                               {"shifts", 2}};
  const JobRequest request = JobRequest::FromJson(json);
  EXPECT_EQ(request.ToJson(), json);
  EXPECT_EQ(request.Files({"drums", "bass", "vocals"}),
            (std::vector<std::string>{"vocals", "drums", "karaoke"}));
  EXPECT_EQ(request.Options(),
            (std::vector<std::string>{"--stems=vocals,drums", "--mix=karaoke=drums+bass",
                                      "--shifts=2"}));
  EXPECT_EQ(JobRequest::FromJson(nlohmann::json::object()).ToJson(), nlohmann::json::object());
}

TEST(JobRequest, RefusesWhatAModelCannotGive) {
  for (const char* text :
       {R"({"stems":"vocals"})", R"({"stems":[1]})", R"({"shifts":-1})", R"({"shifts":1e9})",
        R"({"mixes":["a\u0001b=drums"]})", R"({"mixes":["a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a"]})",
        R"({"shifts":"2"})", R"({"preset":3})", R"({"mixes":{}})", R"([])"})
    EXPECT_THROW(JobRequest::FromJson(nlohmann::json::parse(text)), Error) << text;
  for (const char* text : {R"({"stems":["voice"]})", R"({"preset":"3stem"})",
                           R"({"two_stems":"drum"})", R"({"mixes":["../x=drums"]})",
                           R"({"mixes":["x=a"]})", R"({"mixes":["drums"]})"})
    EXPECT_THROW(JobRequest::FromJson(nlohmann::json::parse(text)).Files({"drums", "bass"}), Error)
        << text;
}

}  // namespace
}  // namespace stemsmith
