// report.html as text. That a browser shows it: tests/reference/test_report.py.
#include "train/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files.h"
#include "tests/support/temporary_folder.h"
#include "train/report/recorder.h"

namespace stemsmith::report_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ExcerptSet OneSong() {
  AudioBuffer audio(2, 8000);
  for (std::size_t i = 0; i < audio.samples().size(); ++i)
    audio.samples()[i] = i % 40 < 20 ? 0.3f : -0.3f;
  ExcerptSet set{.step = 10, .sample_rate_hz = 8000, .stems = {"</script>"}, .songs = {}};
  set.songs.push_back({"<b>{{DATA}}", 75.0, audio, {audio}, {audio}});
  return set;
}

TEST(Report, HoldsEverythingAndNothingElseIsNeeded) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), -1, false);
  WriteFileAtomically(folder / "config.yaml", "model: {name: '<unet>'}\n");
  recorder.Append({{"event", "start"}, {"step", 0}, {"total_steps", 10}, {"device", "cpu"}});
  recorder.Append({{"event", "train"}, {"step", 10}, {"loss", 0.5}, {"seconds", 3.0}});
  recorder.Append({{"event", "validation"},
                   {"step", 10},
                   {"loss", 0.25},
                   {"sdr_db", {{"</script>", 5.0}}},
                   {"mixture_sdr_db", {{"</script>", -1.0}}}});
  recorder.Show(OneSong());
  recorder.End(10, RunEnd::kSteps, 0, 3.0);
  const std::string page = ReadFile(folder / "report.html");
  for (const char* part :
       {"10 of 10", "model: {name: '&lt;unet&gt;'}", "&lt;b&gt;{{DATA}}", "from 1:15",
        "uPlot=", "Copyright", "sdr_db/\\u003c/script>", "data:audio/ogg;base64,",
        "data:image/png;base64,", "<td>+6.00</td>", "prefers-color-scheme: dark", "lang=\"en\""}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  // Nothing is fetched: addresses stand in comments alone.
  EXPECT_THAT(page, Not(HasSubstr("src=\"http")));
  EXPECT_THAT(page, Not(HasSubstr("href=\"http")));
  // Every mark was filled in; the song's name is the only one left.
  EXPECT_EQ(page.find("{{"), page.find("{{DATA}}"));
}

TEST(Report, ARunWithoutSongsOrEndHasOneToo) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "metrics.jsonl",
                      "{\"event\":\"train\",\"step\":1,\"loss\":null}\n{\"eve");
  const std::string page = ReadFile(WriteReport(folder.path()));
  EXPECT_THAT(page, Not(HasSubstr("Excerpts")));
  EXPECT_THAT(page, HasSubstr("\"step\":[1.0]"));
}

// What no reader may confuse: the checkpoint that is exported and the newest.
TEST(Report, MarksTheKeptCheckpoint) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), -1, false);
  recorder.Append({{"event", "start"},
                   {"step", 0},
                   {"total_steps", 25},
                   {"device", "cpu"},
                   {"stems", {"vocals", "bass"}}});
  const auto validation = [&](int step, double vocals, double bass, bool best) {
    recorder.Append({{"event", "validation"},
                     {"step", step},
                     {"loss", 1.0 / step},
                     {"mean_sdr_db", (vocals + bass) / 2},
                     {"sdr_db", {{"vocals", vocals}, {"bass", bass}}},
                     {"mixture_sdr_db", {{"vocals", -1.0}, {"bass", -2.0}}},
                     {"best", best}});
  };
  validation(10, 9.0, 1.0, false);  // the highest of one stem is no checkpoint's row
  validation(20, 5.0, 6.0, true);
  validation(25, 3.0, 7.5, false);
  ExcerptSet set = OneSong();
  set.step = 20;
  EXPECT_FALSE(recorder.Shows(20));
  recorder.ShowKept(set);
  EXPECT_TRUE(recorder.Shows(20));
  recorder.End(25, RunEnd::kSteps, 0, 3.0);
  const std::string page = ReadFile(folder / "report.html");
  for (const char* part :
       {"<dt>Kept checkpoint</dt><dd>step 20</dd>", "<dt>Its mean SDR</dt><dd>5.50 dB</dd>",
        "Kept, step 20", "Newest, step 25", "<td>-1.00</td><td>5.00</td><td>+6.00</td><td>3.00",
        "\"kept\":20", "Estimates of the kept checkpoint, step 20.",
        "\"stems\":[\"vocals\",\"bass\"]", "\"colours\":[6,2]", "Mixture: the SDR of"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_LT(page.find("vocals</th>"), page.find("bass</th>"));
  EXPECT_THAT(page, Not(HasSubstr("9.00")));
  EXPECT_THAT(page, Not(HasSubstr("Highest")));
}

TEST(Report, SaysWhatStoppedTheRunEarly) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  const auto page = [&](RunEnd end) {
    RunRecorder recorder(folder.path(), -1, false);
    recorder.Append({{"event", "start"}, {"step", 0}, {"total_steps", 460}});
    recorder.End(2, end, 0, 4.0);
    return ReadFile(folder / "report.html");
  };
  EXPECT_THAT(page(RunEnd::kMaxSeconds),
              HasSubstr("Stopped by <code>train.max_seconds</code> after 0:04 at step 2 of 460. "
                        "Continue with <code>--resume</code>"));
  EXPECT_THAT(page(RunEnd::kSteps), Not(HasSubstr("Stopped by")));
}

TEST(Report, SpectrogramsHaveAxes) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), -1, false);
  recorder.Show(OneSong());  // 1 s at 8000 Hz: up to 4 kHz
  const std::string page = ReadFile(WriteReport(folder.path()));
  EXPECT_THAT(page, HasSubstr(">100 Hz</span>"));
  EXPECT_THAT(page, HasSubstr("left:100.0%\">1.0 s</span>"));
  EXPECT_THAT(page, Not(HasSubstr(">10 kHz</span>")));
}

TEST(Report, SaysWhyThereIsNoSdr) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  const auto page = [&](const nlohmann::json& more) {
    nlohmann::json start = {{"event", "start"}, {"step", 0}};
    start.update(more);
    WriteFileAtomically(folder / "metrics.jsonl", start.dump() + "\n");
    return ReadFile(WriteReport(folder.path()));
  };
  EXPECT_THAT(page({{"audio", true}, {"validation_songs", 0}}), HasSubstr("--valid-fraction"));
  EXPECT_THAT(page({{"audio", true}}), HasSubstr("validate.every_steps</code> is 0"));
  EXPECT_THAT(page({{"audio", false}, {"validation_songs", 2}}), HasSubstr("spectrograms"));
  EXPECT_THAT(page({{"audio", true}, {"validation_songs", 2}}), HasSubstr("validated yet"));
}

TEST(Report, AShortRunCountsItsSteps) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), -1, false);
  recorder.Append({{"event", "start"}, {"step", 0}, {"total_steps", 3}});
  recorder.End(3, RunEnd::kSteps, 0, 1.0);
  EXPECT_THAT(ReadFile(folder / "report.html"), HasSubstr("<dd>3 of 3</dd>"));
}

TEST(Report, ADamagedExcerptIsSaidInItsPlace) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), -1, false);
  recorder.Show(OneSong());
  std::filesystem::remove(folder / "listen/song_1/mixture.ogg");
  EXPECT_THAT(ReadFile(WriteReport(folder.path())), HasSubstr("mixture.ogg"));
  WriteFileAtomically(folder / "listen/index.json", "{\"step\": 3");
  EXPECT_THAT(ReadFile(WriteReport(folder.path())), Not(HasSubstr("mixture.ogg")));
}

TEST(Report, AFolderWithoutARunIsAnError) {
  if (!HasReport()) GTEST_SKIP() << "built without the report";
  const testing::TemporaryFolder folder;
  EXPECT_THROW(WriteReport(folder.path()), Error);
}

}  // namespace
}  // namespace stemsmith::report_test
