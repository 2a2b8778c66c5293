#include "evaluate/compare/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <map>

#include "audio/encode.h"
#include "core/files.h"
#include "core/random.h"
#include "evaluate/report/report.h"
#include "evaluate/song_metric.h"
#include "tests/support/error_of.h"
#include "tests/support/heard.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::ErrorOf;
using ::testing::HasSubstr;
using testing::Heard;
using testing::MessageOf;
using ::testing::SizeIs;

constexpr int kRate = 8000;
const std::vector<std::string> kStems = {"drums", "bass", "other", "vocals"};

AudioBuffer ReadWav(const fs::path& file) { return ReadAll(*OpenAudio(file)); }

class Compare : public ::testing::Test {
 protected:
  void SetUp() override {
    AddSong("a", 1);
    AddSong("b", 2);
    testing::WriteGainOnnx(folder_ / "tiny.onnx", testing::TinyManifest(2), {0.5f, 0.25f});
  }
  // Coloured noise: each stem in a band of its own, more or less.
  void AddSong(const std::string& name, std::uint64_t seed, double seconds = 2.5) {
    for (std::size_t s = 0; s < kStems.size(); ++s) {
      RandomStream random({seed, s});
      AudioBuffer audio(2, static_cast<std::size_t>(seconds * kRate));
      for (int c = 0; c < 2; ++c) {
        float last = 0;
        for (std::size_t t = 0; t < audio.frames(); ++t) {
          const auto next = static_cast<float>(0.1 * random.Normal());
          last = 0.3f * static_cast<float>(s) * last + next;
          audio.channel(c)[t] = last;
        }
      }
      fs::create_directories(folder_ / "songs" / "test" / name);
      WriteAudio(folder_ / "songs" / "test" / name / (kStems[s] + ".wav"), audio, kRate);
    }
  }
  std::string Text(const std::string& methods, const std::string& songs = "",
                   const std::string& more = "") const {
    return "songs: {root: " + (folder_ / "songs").string() + ", sample_rate_hz: 8000" + songs +
           "}\nmetrics: [nsdr]\n" + more + "methods: [" + methods + "]\n";
  }
  std::string Tiny() const {
    return ", {name: tiny, model: " + (folder_ / "tiny.onnx").string() + "}";
  }
  CompareResult Run(const std::string& text, const std::string& out, int threads = 2) {
    CompareOptions options;
    options.out = folder_ / out;
    options.threads = threads;
    options.keep_stems = keep_stems_;
    options.host = heard_.host();
    options.host.stop = stop_;
    return CompareMethods(ReadCompareChoices(Config::Parse(text, "compare.yaml")), options);
  }
  // Of all files of results: path → bytes.
  std::map<std::string, std::string> Results(const std::string& out) const {
    std::map<std::string, std::string> files;
    for (const std::string name : {"results.csv", "results.json"})
      files[name] = ReadFile(folder_ / out / name);
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / out / "results"))
      if (entry.is_regular_file())
        files[entry.path().lexically_relative(folder_ / out)] = ReadFile(entry.path());
    return files;
  }
  std::size_t ResultFiles(const std::string& out) const {
    std::size_t count = 0;
    if (fs::exists(folder_ / out / "results"))
      for (const auto& entry : fs::recursive_directory_iterator(folder_ / out / "results"))
        count += entry.path().extension() == ".json";
    return count;
  }

  testing::TemporaryFolder folder_;
  Heard heard_;
  std::function<int()> stop_;
  bool keep_stems_ = true;
};

const char kBands[] = "{name: bands, baseline: bands}";

TEST_F(Compare, GivesTheSameBytesForAnyNumberOfThreads) {
  const std::string text = Text(kBands + Tiny());
  const CompareResult one = Run(text, "one", 1);
  EXPECT_EQ(one.made, 6u);
  Run(text, "three", 3);
  EXPECT_EQ(Results("one"), Results("three"));
  EXPECT_THAT(Results("one"), SizeIs(2 + 6));
  const std::string csv = ReadFile(folder_ / "one" / "results.csv");
  EXPECT_THAT(csv, AllOf(HasSubstr("song,method,stem,metric,value\na,"),
                         HasSubstr("\nb,tiny,drums,SDR,"), HasSubstr("\na,mixture,other,nsdr,")));
  // Times are in a file of their own.
  EXPECT_THAT(ReadFile(folder_ / "one" / "times.json"), HasSubstr("times_real_time"));
}

TEST_F(Compare, MeasuresStemsThatBothHaveAndSaysSoOnce) {
  const CompareResult result = Run(Text(kBands + Tiny()), "out");
  const std::string heard = heard_.Take();
  EXPECT_THAT(heard, HasSubstr("only drums, bass can be measured"));
  EXPECT_EQ(heard.find("only"), heard.rfind("only"));
  for (const MethodEvaluations& method : result.methods) {
    ASSERT_THAT(method.songs, SizeIs(2));
    if (method.name == "tiny") {
      EXPECT_THAT(method.songs[0].stems, ElementsAre("drums", "bass"));
    } else {
      EXPECT_EQ(method.songs[0].stems, result.stems);
    }
  }
  // A mean of few stems does not come before one of all.
  EXPECT_NE(result.methods[0].name, "tiny");
  EXPECT_EQ(result.methods[1].name, "tiny");
  EXPECT_GT(MeanSdr(result.methods[1].songs), MeanSdr(result.methods[0].songs));
  EXPECT_THAT(CompareFootnotes(result.methods),
              HasSubstr("tiny: its mean is of 4 figures, those of others of 8\n"));
  const std::string table = CompareTable(result.methods, result.stems);
  EXPECT_THAT(table, AllOf(HasSubstr("method"), HasSubstr("vocals"), HasSubstr("(+")));
  // The estimate of drums is half of the mixture, and the mixture is the sum of the stems.
  const AudioBuffer drums = ReadWav(folder_ / "out/stems/tiny/a/drums.wav");
  const AudioBuffer mixture = ReadWav(folder_ / "out/songs/a/mixture.wav");
  std::vector<AudioBuffer> stems;
  for (const std::string& stem : kStems)
    stems.push_back(ReadWav(folder_ / "out/songs/a" / (stem + ".wav")));
  ASSERT_EQ(drums.frames(), mixture.frames());
  for (std::size_t t = 0; t < mixture.frames(); ++t) {
    float sum = 0;
    for (const AudioBuffer& stem : stems) sum += stem.channel(1)[t];
    ASSERT_NEAR(mixture.channel(1)[t], sum, 1e-6) << t;
  }
}

TEST_F(Compare, DifferencesArePaired) {
  const auto song = [](const std::string& name, double first, double second) {
    SongEvaluation evaluation;
    evaluation.song = name;
    evaluation.stems = {"drums", "bass"};
    evaluation.figures["SDR"] = {first, second};
    return evaluation;
  };
  std::vector<SongEvaluation> b = {song("y", 1, 1), song("x", 5, -5)};
  b[0].stems = {"bass", "drums"};
  b[0].figures["SDR"] = {1, 2};
  const auto differences = Differences({song("x", 7, 3), song("y", 9, 9), song("z", 0, 0)}, b);
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_THAT(differences[0].figures.at("SDR"), ElementsAre(2, 8));
  EXPECT_THAT(differences[1].figures.at("SDR"), ElementsAre(7, 8));
}

TEST_F(Compare, ContinuesWhatWasInterrupted) {
  const std::string text = Text(kBands + Tiny());
  Run(text, "whole");
  stop_ = [&] { return ResultFiles("out") >= 2 ? SIGINT : 0; };
  const Error stopped = ErrorOf([&] { Run(text, "out", 1); });
  EXPECT_EQ(stopped.exit_status(), 128 + SIGINT);
  EXPECT_THAT(stopped.text(), HasSubstr("stopped: 2 of 6 results"));
  EXPECT_FALSE(fs::exists(folder_ / "out" / "results.csv"));
  const fs::path kept = folder_ / "out/results/bands/a.json";
  const auto time = fs::last_write_time(kept);
  stop_ = {};
  const CompareResult result = Run(text, "out");
  EXPECT_EQ(result.kept, 2u);
  EXPECT_EQ(result.made, 4u);
  EXPECT_EQ(fs::last_write_time(kept), time);
  EXPECT_EQ(Results("out"), Results("whole"));
  EXPECT_EQ(Run(text, "out").kept, 6u);
  EXPECT_EQ(Results("out"), Results("whole"));
}

TEST_F(Compare, WhatChangedIsDoneAgain) {
  Run(Text(kBands + Tiny()), "out");
  const std::string wider =
      "{name: bands, baseline: bands, settings: {bands: {bass: {high_hz: 300}}}}";
  EXPECT_THAT(Run(Text(wider + Tiny()), "out").made, 2u);
  testing::WriteGainOnnx(folder_ / "tiny.onnx", testing::TinyManifest(2), {0.5f, 0.5f});
  EXPECT_EQ(Run(Text(wider + Tiny()), "out").made, 2u);
  AddSong("b", 3);  // another song of the same name
  EXPECT_EQ(Run(Text(wider + Tiny()), "out").made, 3u);
  EXPECT_EQ(Run(Text(wider + Tiny(), "", "window_seconds: 0.5\n"), "out").made, 6u);
  EXPECT_EQ(Run(Text(wider + Tiny(), ", excerpt_seconds: 2", "window_seconds: 0.5\n"), "out").made,
            6u);
  fs::remove(folder_ / "out/stems/bands/a/bass.wav");
  EXPECT_EQ(Run(Text(wider + Tiny(), ", excerpt_seconds: 2", "window_seconds: 0.5\n"), "out").made,
            1u);
}

TEST_F(Compare, TakesModelsOfOtherProgramsWithTheirDescription) {
  testing::WriteForeignOnnx(folder_ / "net.onnx", {.input = {0, 2, 700}, .output = {0, 2, 700}});
  const auto text = [&](const std::string& stem) {
    WriteFileAtomically(folder_ / "net.json",
                        R"({"sample_rate_hz": 8000, "stems": [")" + stem + R"("]})");
    return Text("{name: net, model: " + (folder_ / "net.onnx").string() +
                ", manifest: " + (folder_ / "net.json").string() + "}");
  };
  const CompareResult result = Run(text("vocals"), "out");
  EXPECT_EQ(result.made, 4u);
  const auto net = std::find_if(result.methods.begin(), result.methods.end(),
                                [](const auto& method) { return method.name == "net"; });
  ASSERT_NE(net, result.methods.end());
  EXPECT_THAT(net->songs.at(0).stems, ElementsAre("vocals"));
  EXPECT_EQ(Run(text("vocals"), "out").made, 0u);
  EXPECT_EQ(Run(text("bass"), "out").made, 2u);
  EXPECT_THAT(MessageOf([&] { Run(Text("{name: x, baseline: bands, manifest: x.json}"), "bad"); }),
              HasSubstr("manifest"));
}

TEST_F(Compare, TakesExcerptsFromTheMiddleOrWhereTheSeedSays) {
  fs::remove_all(folder_ / "songs/test/b");
  Run(Text(kBands), "whole");
  Run(Text(kBands, ", excerpt_seconds: 1.5"), "middle");
  Run(Text(kBands, ", excerpt_seconds: 1.5, seed: 7"), "seed");
  Run(Text(kBands, ", excerpt_seconds: 1.5, seed: 7"), "again");
  const AudioBuffer whole = ReadWav(folder_ / "whole/songs/a/bass.wav");
  const AudioBuffer middle = ReadWav(folder_ / "middle/songs/a/bass.wav");
  const AudioBuffer drawn = ReadWav(folder_ / "seed/songs/a/bass.wav");
  ASSERT_EQ(middle.frames(), 1.5 * kRate);
  ASSERT_EQ(drawn.frames(), 1.5 * kRate);
  for (std::size_t t = 0; t < middle.frames(); ++t)
    ASSERT_EQ(middle.channel(0)[t], whole.channel(0)[t + kRate / 2]);
  EXPECT_NE(drawn.channel(0)[100], middle.channel(0)[100]);
  EXPECT_EQ(Results("seed"), Results("again"));
}

TEST_F(Compare, LeavesStemsOut) {
  fs::remove_all(folder_ / "songs/test/b");
  keep_stems_ = false;
  Run(Text(kBands), "out");
  EXPECT_FALSE(fs::exists(folder_ / "out" / "stems"));
  EXPECT_EQ(Run(Text(kBands), "out").kept, 2u);
  keep_stems_ = true;
  EXPECT_EQ(Run(Text(kBands), "out").made, 2u) << "they are missing now";
  EXPECT_TRUE(fs::exists(folder_ / "out/stems/bands/a/bass.wav"));
}

TEST_F(Compare, OneFailureLeavesTheOthers) {
  fs::create_directories(folder_ / "songs/test/c");
  fs::copy(folder_ / "songs/test/a/bass.wav", folder_ / "songs/test/c/mixture.wav");
  WriteFileAtomically(folder_ / "out/stems/bands/b", "in the way of a folder");
  const CompareResult result = Run(Text(kBands), "out");
  EXPECT_EQ(result.made, 3u);
  std::vector<std::string> failed;
  for (const CompareFailure& failure : result.failures)
    failed.push_back(failure.method + ":" + failure.song);
  EXPECT_THAT(failed, ::testing::UnorderedElementsAre(":c", "bands:b"));
  EXPECT_THAT(heard_.Take(), AllOf(HasSubstr("error: bands, b: "), HasSubstr("error: c: ")));
  EXPECT_THAT(result.summary["failed"], SizeIs(2));
  EXPECT_THAT(
      ReadFile(folder_ / "out/results.csv"),
      AllOf(HasSubstr("a,bands,"), HasSubstr("b,mixture,"), ::testing::Not(HasSubstr("b,bands,"))));
  fs::remove(folder_ / "out/stems/bands/b");
  EXPECT_EQ(Run(Text(kBands), "out").made, 1u);
}

TEST_F(Compare, RefusesWhatIsWrongBeforeAnyWork) {
  const auto message = [&](const std::string& text) {
    return MessageOf([&] { Run(text, "bad"); });
  };
  EXPECT_THAT(message(Text("{name: x, model: /nowhere/model.onnx}")),
              AllOf(HasSubstr("/nowhere/model.onnx"), HasSubstr("compare.yaml:3")));
  EXPECT_THAT(message(Text("{name: x, baseline: band}")), HasSubstr("did you mean 'bands'?"));
  EXPECT_THAT(message(Text("{name: x}")), HasSubstr("needs either `model` or `baseline`"));
  EXPECT_THAT(message(Text("{name: x, baseline: bands, settings: {ordr: 2}}")),
              AllOf(HasSubstr("ordr"), HasSubstr("order")));
  EXPECT_THAT(message(Text("{name: x, baseline: bands}, {name: x, baseline: bands}")),
              HasSubstr("two methods are called 'x'"));
  EXPECT_THAT(message(Text("{name: ../x, baseline: bands}")), HasSubstr("cannot be the name"));
  EXPECT_THAT(message(Text("{name: mixture, baseline: bands}")), HasSubstr("mixture itself"));
  EXPECT_THAT(message(Text(kBands, "", "windw_seconds: 1\n")),
              AllOf(HasSubstr("windw_seconds"), HasSubstr("window_seconds")));
  EXPECT_THAT(message(Text(kBands, ", splt: test")), HasSubstr("split"));
  EXPECT_THAT(message(Text(kBands, ", split: train")), HasSubstr("there are songs of: test"));
  EXPECT_THAT(message("methods: []\n"), HasSubstr("'songs' is missing"));
  EXPECT_FALSE(fs::exists(folder_ / "bad/results"));
  WriteFileAtomically(folder_ / "songs.txt", "no model");
  EXPECT_NE(message(Text("{name: x, model: " + (folder_ / "songs.txt").string() + "}")), "");
  EXPECT_FALSE(fs::exists(folder_ / "bad/results"));
}

TEST_F(Compare, KeepsTheFiguresOfWindows) {
  const std::string text = Text(kBands);
  const CompareResult made = Run(text, "out");
  const CompareResult kept = Run(text, "out");
  ASSERT_EQ(kept.kept, 4u);
  for (const WindowFigure& figure : kWindowFigures) {
    const auto& values = kept.methods[0].songs[0].bss.*figure.values;
    ASSERT_THAT(values, SizeIs(4)) << figure.name;
    EXPECT_THAT(values[0], SizeIs(2)) << "windows of 1 s in 2.5 s";
    EXPECT_EQ(values, made.methods[0].songs[0].bss.*figure.values);
  }
  const auto& song = kept.methods[0].songs[0];
  EXPECT_DOUBLE_EQ(song.figures.at("SDR")[1], (song.bss.sdr[1][0] + song.bss.sdr[1][1]) / 2);
}

TEST_F(Compare, FilesThatWereCutAreMadeAgain) {
  const std::string text = Text(kBands);
  Run(text, "out");
  const auto bytes = Results("out");
  const fs::path stem = folder_ / "out/stems/bands/a/bass.wav";
  const std::string whole = ReadFile(stem);
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, whole.size() / 2}) {
    fs::resize_file(stem, size);
    EXPECT_EQ(Run(text, "out").made, 1u) << size;
    EXPECT_EQ(ReadFile(stem), whole);
  }
  const fs::path song = folder_ / "out/songs/a/mixture.wav";
  const std::string mixture = ReadFile(song);
  fs::resize_file(song, mixture.size() / 2);
  fs::resize_file(folder_ / "out/songs/b/drums.wav", 0);
  EXPECT_EQ(Run(text, "out").made, 0u) << "their content is what it was";
  EXPECT_EQ(ReadFile(song), mixture);
  EXPECT_GT(fs::file_size(folder_ / "out/songs/b/drums.wav"), 0u);
  EXPECT_EQ(Results("out"), bytes);
}

TEST_F(Compare, KeepsResultsAndSongsApart) {
  for (const char* out : {"songs", "songs/results", "songs/test/a/more", "."}) {
    const Error error = ErrorOf([&] { Run(Text(kBands), out); });
    EXPECT_EQ(error.code(), ExitCode::kWrongUse) << out;
    EXPECT_THAT(error.text(), HasSubstr("folder of the songs")) << out;
  }
  EXPECT_FALSE(fs::exists(folder_ / "songs/results"));
  Run(Text(kBands), "songs_and_more");
}

TEST_F(Compare, AdviceIsOfWhatTheCommandCanDo) {
  const fs::path file = folder_ / "songs/test/b/bass.wav";
  fs::resize_file(file, fs::file_size(file) / 2);
  const CompareResult result = Run(Text(kBands), "out");
  EXPECT_THAT(result.failures, SizeIs(1));
  EXPECT_THAT(heard_.Take(), AllOf(HasSubstr("truncated"), HasSubstr("copy or download"),
                                   ::testing::Not(HasSubstr("on-damage"))));
}

TEST_F(Compare, TakesAllMetricsByOneWord) {
  const auto metrics = [&](const std::string& names) {
    std::string text = Text(kBands);
    text.replace(text.find("[nsdr]"), 6, names);
    return ReadCompareChoices(Config::Parse(text, "compare.yaml")).evaluation.song_metrics;
  };
  EXPECT_THAT(metrics("[all]"), SizeIs(SongMetricTable().size()));
  EXPECT_THAT(metrics("[snr, all]"), SizeIs(SongMetricTable().size()));
  EXPECT_THAT(metrics("[lsd, snr]"), ElementsAre("lsd", "snr"));
  EXPECT_THAT(MessageOf([&] { metrics("[snrr]"); }), HasSubstr("did you mean 'snr'?"));
}

TEST_F(Compare, WritesAReport) {
  if (!HasEvaluationReport()) GTEST_SKIP() << "built without the reports";
  const std::string one = "report: {songs: 1, seconds: 2}\n";
  const CompareResult result = Run(Text(kBands, "", one), "out");
  EXPECT_EQ(result.report, folder_ / "out/report.html");
  const auto count = [&](const std::string& part) {
    const std::string page = ReadFile(folder_ / "out/report.html");
    std::size_t found = 0;
    for (std::size_t at = page.find(part); at != page.npos; at = page.find(part, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("<article"), 1u);
  EXPECT_EQ(count("data:audio/mpeg"), 1u + 4u + 4u);  // mixture, references, estimates
  Run(Text(kBands, "", "report: {songs: 0}\n"), "out");
  EXPECT_EQ(count("<article"), 0u);
  keep_stems_ = false;
  Run(Text(kBands), "out");
  EXPECT_EQ(count("<article"), 0u) << "there are no stems to hear";
  const auto message = [&](const std::string& report) {
    return MessageOf([&] { Run(Text(kBands, "", report), "bad"); });
  };
  EXPECT_THAT(message("report: {songs: -1}\n"), HasSubstr("songs"));
  EXPECT_THAT(message("report: {seconds: 0.5}\n"), HasSubstr("seconds"));
  EXPECT_THAT(message("report: {sngs: 1}\n"), HasSubstr("did you mean"));
  EXPECT_FALSE(fs::exists(folder_ / "bad"));
}

}  // namespace
}  // namespace stemsmith
