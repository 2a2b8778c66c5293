// The page as text. That a browser shows it: tests/reference/test_compare_report.py.
#include "evaluate/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "audio/encode.h"
#include "core/files.h"
#include "core/random.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using Json = nlohmann::json;

// Pages are too long to be shown where something lacks.
bool Has(const std::string& page, const std::string& part) { return page.find(part) != page.npos; }

const char kEvil[] = "</script><b>{{DATA}}\"'&";

SongEvaluation Song(const std::string& name, std::vector<double> sdr, std::size_t windows = 3) {
  SongEvaluation song;
  song.song = name;
  song.seconds = 3;
  song.stems = {"drums", kEvil};
  for (const WindowFigure& figure : kWindowFigures) {
    song.figures[figure.name] = sdr;
    song.bss.*figure.values = {std::vector<double>(windows, 1.234567), {std::nan(""), 2, INFINITY}};
  }
  song.figures["nsdr"] = sdr;
  return song;
}

class ReportPage : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasEvaluationReport()) GTEST_SKIP() << "built without the reports";
  }
  EvaluationReport Two() const {
    EvaluationReport report;
    report.title = kEvil;
    report.stems = {"drums", kEvil};
    report.floor = "mixture";
    report.options.song_metrics = {"nsdr"};
    report.methods.resize(2);
    report.methods[0].name = kEvil;
    report.methods[0].times_real_time = 2.5;
    report.methods[0].songs = {Song("one", {4, 2}), Song(kEvil, {6, std::nan("")})};
    report.methods[1].name = "mixture";
    report.methods[1].songs = {Song("one", {1, 1}), Song(kEvil, {1, 1})};
    report.differences = {{{"method", kEvil},
                           {"other", "mixture"},
                           {"stems", AggregatesByStem({Song("one", {3, 1}), Song("x", {5, 3})})}}};
    report.failures = {std::string("it, ") + kEvil};
    return report;
  }
  // As the browser's parser takes it.
  std::string Page(const EvaluationReport& report) {
    WriteEvaluationReport(folder_ / "page.html", report);
    return ReadFile(folder_ / "page.html");
  }
  static Json DataOf(const std::string& page) {
    const std::string begin = "<script type=\"application/json\" id=\"data\">";
    const std::size_t at = page.find(begin) + begin.size();
    return Json::parse(page.substr(at, page.find("</script>", at) - at));
  }
  static std::string WithoutTime(const std::string& page) {
    return std::regex_replace(page.substr(0, page.find("<main>")), std::regex("Written [^<]*"),
                              "") +
           page.substr(page.find("<main>"));
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ReportPage, NamesAreTextWhereverTheyStand) {
  const std::string page = Page(Two());
  EXPECT_THAT(
      page, AllOf(HasSubstr("<h1>&lt;/script&gt;&lt;b&gt;{{DATA}}&quot;'&amp;</h1>"),
                  HasSubstr("<li>it, &lt;/script&gt;"), HasSubstr("plotly.js"),
                  HasSubstr("Permission is hereby granted"), HasSubstr("Content-Security-Policy")));
  for (const char* part :
       {"<h1>&lt;/script&gt;&lt;b&gt;{{DATA}}&quot;'&amp;</h1>", "<li>it, &lt;/script&gt;",
        "plotly.js", "Permission is hereby granted", "Content-Security-Policy"})
    EXPECT_TRUE(Has(page, part)) << part;
  EXPECT_FALSE(Has(page, "</script><b>"));
  EXPECT_FALSE(Has(page, "src=\"http"));
  const Json data = DataOf(page);
  EXPECT_EQ(data["stems"][1], kEvil);
  EXPECT_EQ(data["methods"][0]["name"], kEvil);
  EXPECT_EQ(data["songs"][1], kEvil);
}

TEST_F(ReportPage, HoldsFiguresWindowsAndIntervals) {
  const std::string page = Page(Two());
  for (const char* part :
       {"<td>5.00 <small>(+4.00)</small></td>", "<td>3.50 <small>(+3.00)</small></td>",
        "<td>1.00</td>", "<dd>2 (0:06)</dd>"})
    EXPECT_TRUE(Has(page, part)) << part;
  const Json data = DataOf(page);
  std::vector<std::string> metrics;
  for (const Json& metric : data["metrics"]) metrics.push_back(metric["name"]);
  EXPECT_THAT(metrics, ElementsAre("SDR", "ISR", "SIR", "SAR", "nsdr"));
  EXPECT_EQ(data["floor"], 1);
  EXPECT_EQ(data["methods"][0]["speed"], 2.5);
  EXPECT_EQ(data["methods"][1]["speed"], nullptr);
  EXPECT_EQ(data["methods"][0]["figures"][1],
            Json::parse("[[6,6,6,6,6],[null,null,null,null,null]]"));
  EXPECT_EQ(data["methods"][0]["windows"]["SIR"][0], Json({1.23, 1.23, 1.23, 1.23, 1.23, 1.23}));
  EXPECT_EQ(data["methods"][0]["windows"]["SDR"][1], Json({2.0, 2.0})) << "finite ones";
  const Json& mean = data["methods"][0]["means"][0][0];
  EXPECT_EQ(mean[0], 5.0);
  EXPECT_EQ(mean[3], 2);
  EXPECT_LE(mean[1], mean[0]);
  EXPECT_EQ(data["differences"][0]["means"][0][0][0], 4.0);
}

TEST_F(ReportPage, VeryManyWindowsArePickedFrom) {
  EvaluationReport report = Two();
  report.methods[0].songs = {Song("one", {4, 2}, 30'000)};
  EXPECT_THAT(DataOf(Page(report))["methods"][0]["windows"]["SDR"][0], SizeIs(2000));
}

TEST_F(ReportPage, ExcerptsAreOfTheSameFramesForAll) {
  EvaluationReport report = Two();
  const auto write = [&](const std::string& name, std::uint64_t seed) {
    AudioBuffer audio(3, 4 * 8000);
    RandomStream random({seed});
    for (float& sample : audio.samples()) sample = static_cast<float>(0.1 * random.Normal());
    WriteAudio(folder_ / name, audio, 8000);
    return StemFile{folder_ / name, {}};
  };
  const SongFiles files{.name = "one",
                        .stems = {"drums", kEvil},
                        .references = {write("a.wav", 1), write("b.wav", 2)},
                        .estimates = {write("c.wav", 3), write("d.wav", 4)}};
  for (ReportedMethod& method : report.methods) method.files["one"] = files;
  report.excerpts = {.songs = 5, .seconds = 2};
  const std::string page = Page(report);
  EXPECT_TRUE(WithoutTime(page) == WithoutTime(Page(report))) << "the same bytes again";
  EXPECT_TRUE(Has(page, "2 s from 0:01 on"));  // the middle of four seconds
  const std::string begin = "<script type=\"application/json\">";
  const std::size_t at = page.find(begin) + begin.size();
  const Json song = Json::parse(page.substr(at, page.find("</script>", at) - at));
  EXPECT_EQ(song["seconds"], 2.0);
  std::vector<std::string> sounds;
  for (const Json& sound : song["sounds"]) {
    sounds.push_back(sound["stem"].get<std::string>() + "|" + sound["method"].get<std::string>());
    EXPECT_TRUE(Has(sound["audio"], "data:audio/mpeg;base64,"));
    EXPECT_TRUE(Has(sound["picture"], "data:image/png;base64,"));
  }
  const std::string evil = kEvil;
  EXPECT_THAT(sounds, ElementsAre("|", "drums|", evil + "|", "drums|" + evil, evil + "|" + evil));
  // Nothing else is left beside the page.
  int files_there = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_.path())) ++files_there;
  EXPECT_EQ(files_there, 5);
  report.excerpts.songs = 0;
  EXPECT_FALSE(Has(Page(report), "<article"));
}

}  // namespace
}  // namespace stemsmith
