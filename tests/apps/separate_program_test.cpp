// The `separate` program as a user types it.
#include "tests/apps/separate_program.h"

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "tests/support/made_files.h"
#include "tests/support/measured_process.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FilesBelow;
using ::testing::HasSubstr;
using testing::kSeparate;
using ::testing::Not;
using testing::ProgramResult;
using testing::Ramp;
using testing::RunMeasured;
using testing::RunProgram;
using testing::Samples;
using testing::SeparateProgram;

TEST_F(SeparateProgram, WritesOneFilePerStem) {
  const ProgramResult result = Separate("model.onnx good.wav -o out --bits 32f");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, HasSubstr("good: 2 stems in out/good"));
  EXPECT_THAT(FilesBelow(folder_ / "out"),
              ::testing::ElementsAre("good/bass.wav", "good/drums.wav"));
  const std::vector<float> mix = Samples(folder_ / "good.wav");
  const std::vector<float> drums = Samples(folder_ / "out/good/drums.wav");
  const std::vector<float> bass = Samples(folder_ / "out/good/bass.wav");
  ASSERT_EQ(drums.size(), mix.size());
  ASSERT_EQ(bass.size(), mix.size());
  for (std::size_t i = 0; i < mix.size(); ++i) {
    ASSERT_NEAR(drums[i], 0.5f * mix[i], 1e-6);
    ASSERT_NEAR(bass[i], -0.25f * mix[i], 1e-6);
  }
}

TEST_F(SeparateProgram, BothArtifactsGiveEqualStems) {
  ASSERT_EQ(RunProgram(std::string(STEMSMITH_BIN_DIR "/make_tiny_torchscript ") +
                       (folder_ / "model.ts").string() + " 0.5 -0.25")
                .status,
            0);
  ASSERT_EQ(Separate("model.onnx good.wav -o onnx --bits 32f").status, 0);
  ASSERT_EQ(Separate("model.ts good.wav -o ts --bits 32f").status, 0);
  for (const char* stem : {"good/drums.wav", "good/bass.wav"}) {
    EXPECT_EQ(Samples(folder_ / "onnx" / stem), Samples(folder_ / "ts" / stem));
  }
}

TEST_F(SeparateProgram, KeepsRateChannelsAndLengthOfEveryInput) {
  struct {
    const char* name;
    int rate, channels;
    std::size_t frames;
  } const cases[] = {{"low.wav", 8000, 1, 12345},
                     {"wide.wav", 48000, 8, 4801},
                     {"one.flac", 44100, 2, 1},
                     {"Ünïcode ♪.wav", 22050, 2, 999},
                     {"new\nline.wav", 44100, 1, 50}};
  std::string names;
  for (const auto& c : cases) {
    EncodeOptions options;
    if (fs::path(c.name).extension() == ".flac") options.format = "flac";
    WriteAudio(folder_ / "in" / c.name, Ramp(c.channels, c.frames), c.rate, options);
  }
  const ProgramResult result = Separate("model.onnx in -o out --bits 24");
  ASSERT_EQ(result.status, 0) << result.err;
  for (const auto& c : cases) {
    for (const char* stem : {"drums.wav", "bass.wav"}) {
      const auto reader = OpenAudio(folder_ / "out" / fs::path(c.name).stem() / stem);
      EXPECT_EQ(reader->info().sample_rate_hz, c.rate) << c.name;
      EXPECT_EQ(reader->info().channels, c.channels) << c.name;
      EXPECT_EQ(reader->info().frames, static_cast<std::int64_t>(c.frames)) << c.name;
      EXPECT_EQ(reader->info().bits, 24) << c.name;
    }
  }
}

TEST_F(SeparateProgram, ChosenStemsAndFlac) {
  const ProgramResult result =
      Separate("--stems bass model.onnx good.wav -o out --format flac --quiet");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out + result.err, "");
  EXPECT_THAT(FilesBelow(folder_ / "out"), ::testing::ElementsAre("good/bass.flac"));
}

TEST_F(SeparateProgram, EveryFormatOfTheTable) {
  for (const FormatRow& row : FormatTable()) {
    SCOPED_TRACE(row.name);
    const bool needs_libav = row.many_streams || row.ending == std::string(".m4a");
    if (needs_libav && !testing::HasLibavModule()) continue;
    const ProgramResult result =
        Separate(std::string("model.onnx good.wav -o out --json --format ") + row.name +
                 (row.many_streams ? " --stems drums,bass --mix a=bass --mix b=bass" : ""));
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    const std::string ending = row.ending;
    EXPECT_EQ(FilesBelow(folder_ / "out"),
              row.many_streams ? std::vector{"good" + ending}
                               : (std::vector{"good/bass" + ending, "good/drums" + ending}));
    DecodeOptions all;
    all.all_streams = true;
    const auto reader = OpenAudio(
        folder_ / "out" / (row.many_streams ? "good" + ending : "good/drums" + ending), all);
    const int rate = row.RateFor(44100);
    EXPECT_EQ(reader->info().sample_rate_hz, rate);
    EXPECT_EQ(reader->info().channels, row.many_streams ? 10 : 2);
    const AudioBuffer back = ReadAll(*reader);
    const auto frames = static_cast<std::size_t>(std::lround(30000.0 * rate / 44100));
    // ffmpeg 5.1, as which we decode, leaves out 128 frames of Vorbis that fits in one page.
    EXPECT_GE(back.frames() + (row.ending == std::string(".ogg") ? 128 : 0), frames);
    EXPECT_LT(back.frames(), frames + (needs_libav && row.lossy() ? 1024 : 1));
    fs::remove_all(folder_ / "out");
  }
}

TEST_F(SeparateProgram, AnotherRateIsSaid) {
  const ProgramResult result = Separate("model.onnx good.wav -o out --format opus");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("at 48000 Hz, as the format has no 44100 Hz"));
  // Where a song has more channels than the format holds, that song fails.
  WriteAudio(folder_ / "wide.wav", Ramp(4, 3000), 44100);
  const ProgramResult wide = Separate("model.onnx wide.wav good.wav -o out --format mp3");
  EXPECT_EQ(wide.status, 1);
  EXPECT_THAT(wide.err, AllOf(HasSubstr("mp3 holds at most 2 channels"), HasSubstr("flac")));
}

TEST_F(SeparateProgram, JsonIsOneObjectPerLine) {
  const ProgramResult result = Separate("model.onnx good.wav missing.wav -o out --json");
  EXPECT_EQ(result.status, 1);
  std::vector<nlohmann::json> lines;
  std::istringstream text(result.out);
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["event"], "error");
  EXPECT_EQ(lines[0]["input"], "missing.wav");
  EXPECT_EQ(lines[1]["event"], "song");
  EXPECT_EQ(lines[1]["stems"]["bass"], "out/good/bass.wav");
  EXPECT_EQ(lines[1]["frames"], 30000);
  EXPECT_EQ(lines[2]["event"], "result");
  EXPECT_EQ(lines[2]["done"], 1);
  EXPECT_EQ(lines[2]["failed"], 1);
}

TEST_F(SeparateProgram, ClippedSamplesAreSaid) {
  testing::WriteGainOnnx(folder_ / "loud.onnx", testing::TinyManifest(1), {3.0f});
  EXPECT_THAT(Separate("loud.onnx good.wav -o out").err, HasSubstr("clipped"));
  EXPECT_EQ(Separate("loud.onnx good.wav -o out --bits 32f").err, "");
}

TEST_F(SeparateProgram, ASecondRunReplacesStemsAndKeepsOtherFiles) {
  ASSERT_EQ(Separate("model.onnx good.wav -o out").status, 0);
  WriteFileAtomically(folder_ / "out/good/notes.txt", "mine");
  testing::WriteGainOnnx(folder_ / "model.onnx", testing::TinyManifest(), {0.0f, 0.0f});
  ASSERT_EQ(Separate("model.onnx good.wav -o out").status, 0);
  EXPECT_THAT(FilesBelow(folder_ / "out"),
              ::testing::ElementsAre("good/bass.wav", "good/drums.wav", "good/notes.txt"));
  EXPECT_EQ(Samples(folder_ / "out/good/drums.wav")[1000], 0.0f);
}

TEST_F(SeparateProgram, AStemNamedTwiceIsWrittenOnce) {
  for (const char* stems : {"drums,drums", "drums --stems drums", "drums,bass,drums,bass"}) {
    const ProgramResult result =
        Separate(std::string("model.onnx good.wav -o out --quiet --stems ") + stems);
    EXPECT_EQ(result.status, 0) << result.err;
    const bool both = std::string(stems).find("bass") != std::string::npos;
    EXPECT_EQ(FilesBelow(folder_ / "out").size(), both ? 2u : 1u) << stems;
    std::filesystem::remove_all(folder_ / "out");
  }
}

TEST_F(SeparateProgram, OnnxRunsWithoutLibTorch) {
  const std::string libraries = RunProgram("ldd " + kSeparate).out;
  EXPECT_THAT(libraries, HasSubstr("onnxruntime"));
  for (const char* unwanted : {"torch", "libc10", "hdf5", "fluidsynth", "python"}) {
    EXPECT_THAT(libraries, Not(HasSubstr(unwanted)));
  }
  // Without any module in reach an .onnx still runs; a .ts says what it lacks.
  EXPECT_EQ(Separate("model.onnx good.wav -o out", "STEMSMITH_MODULE_DIR=/nowhere ").status, 0);
  ASSERT_EQ(RunProgram(std::string(STEMSMITH_BIN_DIR "/make_tiny_torchscript ") +
                       (folder_ / "model.ts").string() + " 1 1")
                .status,
            0);
  const ProgramResult lacking =
      Separate("model.ts good.wav -o out", "STEMSMITH_MODULE_DIR=/nowhere ");
  EXPECT_EQ(lacking.status, 1);
  EXPECT_THAT(lacking.err, HasSubstr("libstemsmith_torchscript.so"));
  EXPECT_THAT(lacking.err, HasSubstr("give the .onnx file"));
}

TEST_F(SeparateProgram, ASecondOfAudioTakesLessThanASecond) {
  WriteAudio(folder_ / "second.wav", Ramp(2, 44100), 44100);
  const auto process =
      RunMeasured({kSeparate, (folder_ / "model.onnx").string(), (folder_ / "second.wav").string(),
                   "-o", (folder_ / "out").string()});
  EXPECT_EQ(process.status, 0);
  EXPECT_LT(process.cpu_seconds, 1.0);
}

// The model's stems are 0.5 and -0.25 of the song.
TEST_F(SeparateProgram, MixesOfStemsAreFiles) {
  const auto run = [&](const std::string& more) {
    std::filesystem::remove_all(folder_ / "out");
    const ProgramResult result = Separate("model.onnx good.wav -o out --bits 32f " + more);
    EXPECT_EQ(result.status, 0) << result.err;
    return FilesBelow(folder_ / "out");
  };
  const auto expect_share = [&](const std::string& file, float share) {
    const auto song = Samples(folder_ / "good.wav"), stem = Samples(folder_ / "out/good" / file);
    ASSERT_EQ(song.size(), stem.size());
    for (std::size_t i = 0; i < song.size(); ++i) ASSERT_NEAR(stem[i], share * song[i], 1e-6) << i;
  };
  EXPECT_THAT(run("--mix all=drums+bass --mix 'rest=mixture - 2*bass'"),
              ElementsAre("good/all.wav", "good/rest.wav"));
  expect_share("all.wav", 0.25f);
  expect_share("rest.wav", 1.5f);
  EXPECT_THAT(run("--two-stems drums"), ElementsAre("good/drums.wav", "good/no_drums.wav"));
  expect_share("no_drums.wav", -0.25f);
  EXPECT_THAT(run("--stems bass --mix x=mixture-bass"), ElementsAre("good/bass.wav", "good/x.wav"));
  expect_share("x.wav", 1.25f);
  for (const auto& [option, says] :
       {std::pair("--mix x=drums+bas", "did you mean 'bass'"),
        std::pair("--preset 2stem", "the preset '2stem' needs the stem 'vocals' (--preset)"),
        std::pair("--two-stems drum", "(--two-stems)"),
        std::pair("--mix drums=bass", "is the name of a stem")}) {
    const ProgramResult wrong = Separate(std::string("model.onnx good.wav ") + option);
    EXPECT_EQ(wrong.status, 2) << option;
    EXPECT_THAT(wrong.err, HasSubstr(says));
  }
}

// A model whose stems are shares of the song gives the same, however often it is run.
TEST_F(SeparateProgram, PassesAreAveraged) {
  const auto stem = [&](const std::string& more) {
    const ProgramResult result = Separate("model.onnx good.wav -o out --bits 32f " + more);
    EXPECT_EQ(result.status, 0) << result.err;
    return Samples(folder_ / "out/good/bass.wav");
  };
  const auto plain = stem("");
  for (const std::string more :
       {"--shifts 3 --seed 7", "--shift-frames 0,22050,9", "--tta", "--shifts 2 --tta"}) {
    const auto averaged = stem(more);
    ASSERT_EQ(averaged.size(), plain.size());
    for (std::size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(averaged[i], plain[i], 1e-6) << more;
  }
  for (const auto& [option, says] : {std::pair("--shifts 101", "--shifts must be"),
                                     std::pair("--shift-frames 1,-2", "a number of --shift-frames"),
                                     std::pair("--shift-frames 22051", "half a second"),
                                     std::pair("--shift-frames ,", "not ''")}) {
    const ProgramResult wrong = Separate(std::string("model.onnx good.wav ") + option);
    EXPECT_EQ(wrong.status, 2) << option;
    EXPECT_THAT(wrong.err, HasSubstr(says));
  }
}

// The model's stems add up to 0.25 of the song: each lacks 0.375.
TEST_F(SeparateProgram, StemsCanAddUpToTheSong) {
  ASSERT_EQ(Separate("model.onnx good.wav -o out --bits 32f --mixture-consistent --stems bass "
                     "--mix both=drums+bass")
                .status,
            0);
  const auto song = Samples(folder_ / "good.wav"), bass = Samples(folder_ / "out/good/bass.wav"),
             both = Samples(folder_ / "out/good/both.wav");
  ASSERT_EQ(both.size(), song.size());
  for (std::size_t i = 0; i < song.size(); ++i) {
    ASSERT_NEAR(both[i], song[i], 1e-6);
    ASSERT_NEAR(bass[i], 0.125f * song[i], 1e-6);
  }
}

TEST_F(SeparateProgram, LoudStemsAreClampedRescaledOrLeft) {
  AudioBuffer loud = Ramp(2, 30000);  // peak 0.5: the mix below 1.5
  WriteAudio(folder_ / "loud.wav", loud, 44100);
  const auto run = [&](const std::string& more) {
    return Separate("model.onnx loud.wav -o out --stems drums --mix 'big=6*drums' " + more);
  };
  const auto file = [&](const std::string& name) {
    return Samples(folder_ / ("out/loud/" + name + ".wav"));
  };
  const auto peak = [](const std::vector<float>& samples) {
    return std::abs(*std::max_element(samples.begin(), samples.end(),
                                      [](float a, float b) { return std::abs(a) < std::abs(b); }));
  };
  ProgramResult result = run("--json");
  EXPECT_THAT(result.err, HasSubstr("--clip rescale"));
  EXPECT_NEAR(peak(file("big")), 1, 1e-4);
  EXPECT_NEAR(peak(file("drums")), 0.25, 1e-4);

  result = run("--clip rescale");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("clipped")));
  EXPECT_THAT(result.out, HasSubstr(", 3.61 dB quieter"));  // 1.515
  EXPECT_NEAR(peak(file("big")), 1 / 1.01, 1e-4);
  EXPECT_NEAR(peak(file("drums")), 1 / 6.06, 1e-4);  // by the same gain
  EXPECT_THAT(FilesBelow(folder_ / "out"), ElementsAre("loud/big.wav", "loud/drums.wav"));

  EXPECT_EQ(run("--clip none --bits 32f").status, 0);
  EXPECT_NEAR(peak(file("big")), 1.5, 1e-3);
  result = run("--clip clamp --bits 32f");
  EXPECT_THAT(result.err, HasSubstr("samples were clipped"));
  EXPECT_EQ(peak(file("big")), 1);
  for (const auto& [more, says] :
       {std::pair("--clip none", "integers cannot hold samples above full scale (--clip)"),
        std::pair("--clip rescale --mixture-consistent", "do not add up to the song (--clip)")}) {
    const ProgramResult wrong = run(more);
    EXPECT_EQ(wrong.status, 2);
    EXPECT_THAT(wrong.err, HasSubstr(says));
  }
}

TEST_F(SeparateProgram, SongsThatAreThereCanBeSkipped) {
  std::filesystem::copy(folder_ / "good.wav", folder_ / "more.wav");
  ProgramResult result = Separate("model.onnx good.wav more.wav -o out --dry-run");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("good.wav -> out/good/bass.wav, out/good/drums.wav\n"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));

  ASSERT_EQ(Separate("model.onnx good.wav -o out").status, 0);
  const auto before = std::filesystem::last_write_time(folder_ / "out/good/bass.wav");
  result = Separate("model.onnx good.wav more.wav -o out --skip-existing");
  EXPECT_THAT(result.out, AllOf(HasSubstr("good: is there, skipped\n"), HasSubstr("more: 2 stems"),
                                HasSubstr("1 of 2 songs separated"), HasSubstr(", 1 skipped")));
  EXPECT_EQ(std::filesystem::last_write_time(folder_ / "out/good/bass.wav"), before);
  // Other files of the song are not there yet, and an empty one is none.
  EXPECT_THAT(Separate("model.onnx good.wav -o out --skip-existing --mix x=bass").out,
              HasSubstr("good: 1 stem in "));
  std::filesystem::resize_file(folder_ / "out/good/bass.wav", 0);
  EXPECT_THAT(Separate("model.onnx good.wav -o out --skip-existing").out,
              HasSubstr("good: 2 stems"));
}

}  // namespace
}  // namespace stemsmith
