// The `separate` program as a user types it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "audio/decode.h"
#include "audio/encode.h"
#include "core/files.h"
#include "tests/support/made_files.h"
#include "tests/support/measured_process.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::ProgramResult;
using testing::RunMeasured;
using testing::RunProgram;

const std::string kSeparate = STEMSMITH_BIN_DIR "/separate";

AudioBuffer Ramp(int channels, std::size_t frames) {
  AudioBuffer audio(channels, frames);
  for (int c = 0; c < channels; ++c) {
    for (std::size_t t = 0; t < frames; ++t) {
      audio.channel(c)[t] =
          0.5f * std::sin(0.01f * static_cast<float>(t * static_cast<std::size_t>(c + 1)));
    }
  }
  return audio;
}

std::vector<float> Samples(const fs::path& path) {
  const auto reader = OpenAudio(path);
  const AudioBuffer audio = ReadAll(*reader);
  return {audio.samples().begin(), audio.samples().end()};
}

// All files below a folder, hidden ones too, relative to it.
std::vector<std::string> FilesBelow(const fs::path& folder) {
  std::vector<std::string> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) files.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class SeparateProgram : public ::testing::Test {
 protected:
  SeparateProgram() {
    testing::WriteGainOnnx(folder_ / "model.onnx", testing::TinyManifest(), {0.5f, -0.25f});
    WriteAudio(folder_ / "good.wav", Ramp(2, 30000), 44100);
  }

  // Runs in the temporary folder; `arguments` go through the shell.
  ProgramResult Separate(const std::string& arguments, const std::string& before = "") {
    return RunProgram("cd '" + folder_.path().string() + "' && " + before + kSeparate + " " +
                      arguments);
  }

  // The one error line of a failing run, with the last line that counts taken off.
  void ExpectBadInput(const std::string& name, const std::string& says) {
    const ProgramResult result = Separate("model.onnx " + name + " good.wav -o out");
    EXPECT_EQ(result.status, 1) << name;
    std::istringstream lines(result.err);
    std::string line, count, more;
    std::getline(lines, line);
    std::getline(lines, count);
    EXPECT_THAT(line, AllOf(HasSubstr("error: "), HasSubstr(name), HasSubstr(says)));
    EXPECT_EQ(count, "error: 1 of 2 inputs failed");
    EXPECT_FALSE(std::getline(lines, more)) << more;
    EXPECT_THAT(FilesBelow(folder_ / "out"),
                ::testing::ElementsAre("good/bass.wav", "good/drums.wav"));
    fs::remove_all(folder_ / "out");
  }

  testing::TemporaryFolder folder_;
};

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
        Separate(std::string("model.onnx good.wav -o out --json --format ") + row.name);
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
    EXPECT_EQ(reader->info().channels, row.many_streams ? 6 : 2);
    const AudioBuffer back = ReadAll(*reader);
    const auto frames = static_cast<std::size_t>(std::lround(30000.0 * rate / 44100));
    // ffmpeg 5.1, as which we decode, leaves out 128 frames of Vorbis that fits in one page.
    EXPECT_GE(back.frames() + (row.ending == std::string(".ogg") ? 128 : 0), frames);
    EXPECT_LT(back.frames(), frames + (needs_libav && row.lossy() ? 1024 : 1));
    fs::remove_all(folder_ / "out");
  }
}

TEST_F(SeparateProgram, AStemFileHoldsTheSongAndThenItsStems) {
  if (!testing::HasLibavModule()) GTEST_SKIP() << "needs the libav module";
  const ProgramResult result = Separate("model.onnx good.wav -o out --format stem.mp4");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("good: 2 stems in out/good.stem.mp4"));
  DecodeOptions all;
  all.all_streams = true;
  const auto reader = OpenAudio(folder_ / "out/good.stem.mp4", all);
  std::vector<std::string> names;
  for (const AudioStreamInfo& stream : reader->info().streams) names.push_back(stream.title);
  EXPECT_THAT(names, ::testing::ElementsAre("mixture", "drums", "bass"));
  const AudioBuffer back = ReadAll(*reader);
  const std::vector<float> mix = Samples(folder_ / "good.wav");
  for (std::size_t t = 1000; t < 29000; ++t) {
    // AAC loses most where the song is loud; a stem out of place would be off by tenths.
    ASSERT_NEAR(back.channel(0)[t], mix[t], 0.06) << t;
    ASSERT_NEAR(back.channel(2)[t], 0.5 * mix[t], 0.03) << t;
    ASSERT_NEAR(back.channel(4)[t], -0.25 * mix[t], 0.02) << t;
  }
  // The song's own stem file is never replaced by what is made of it.
  fs::copy_file(folder_ / "out/good.stem.mp4", folder_ / "song.stem.mp4");
  EXPECT_EQ(Separate("model.onnx song.stem.mp4 -o . --format stem.mp4").status, 2);
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

TEST_F(SeparateProgram, BadSongsFailAloneWithOneLineEach) {
  const std::string whole = ReadFile(folder_ / "good.wav");
  ExpectBadInput("missing.wav", "no such file");
  WriteFileAtomically(folder_ / "empty.wav", "");
  ExpectBadInput("empty.wav", "empty");
  WriteFileAtomically(folder_ / "cut.wav", whole.substr(0, whole.size() / 2));
  ExpectBadInput("cut.wav", "truncated");
  WriteFileAtomically(folder_ / "head.wav", whole.substr(0, 20));
  ExpectBadInput("head.wav", "");
  WriteFileAtomically(folder_ / "text.wav", "this is no audio\n");
  ExpectBadInput("text.wav", "text file");
  fs::create_directories(folder_ / "nothing");
  ExpectBadInput("nothing", "no audio files");
  ExpectBadInput("model.onnx", "");  // a model is no song

  AudioWriter(folder_ / "zero.wav", 44100, 2).Finish();
  ExpectBadInput("zero.wav", "no audio");
}

TEST_F(SeparateProgram, ASampleThatIsNotANumberFailsTheSong) {
  WriteAudio(folder_ / "nan.wav", Ramp(2, 30000), 44100, {.sample_format = SampleFormat::kFloat32});
  std::string bytes = ReadFile(folder_ / "nan.wav");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  bytes.replace(bytes.size() / 2 / 4 * 4, 4, reinterpret_cast<const char*>(&nan), 4);
  bytes.replace(bytes.size() / 2 / 4 * 4 + 2, 4, reinterpret_cast<const char*>(&nan), 4);
  WriteFileAtomically(folder_ / "nan.wav", bytes);
  ExpectBadInput("nan.wav", "not a number");
}

TEST_F(SeparateProgram, AFailedSongLeavesItsOlderStems) {
  ASSERT_EQ(Separate("model.onnx good.wav -o out").status, 0);
  const std::string before = ReadFile(folder_ / "out/good/drums.wav");
  const std::string whole = ReadFile(folder_ / "good.wav");
  WriteFileAtomically(folder_ / "good.wav", whole.substr(0, 1000));
  EXPECT_EQ(Separate("model.onnx good.wav -o out").status, 1);
  EXPECT_EQ(ReadFile(folder_ / "out/good/drums.wav"), before);
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

TEST_F(SeparateProgram, AFullDiskLeavesNothingAndOthersAreDone) {
  WriteAudio(folder_ / "long.wav", Ramp(2, 200000), 44100);
  // 400 KiB per file: the long song's stems (800 kB) do not fit, the good one's (120 kB) do.
  const ProgramResult result = Separate("model.onnx long.wav good.wav -o out", "ulimit -f 800 && ");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("long"), HasSubstr("1 of 2 inputs failed")));
  EXPECT_THAT(FilesBelow(folder_ / "out"),
              ::testing::ElementsAre("good/bass.wav", "good/drums.wav"));
}

TEST_F(SeparateProgram, BadModelsEndWithOneLine) {
  const std::string whole = ReadFile(folder_ / "model.onnx");
  WriteFileAtomically(folder_ / "cut.onnx", whole.substr(0, whole.size() / 2));
  WriteFileAtomically(folder_ / "text.onnx", "not a model\n");
  for (const char* name : {"cut.onnx", "text.onnx", "missing.onnx", "good.wav"}) {
    const ProgramResult result = Separate(std::string(name) + " good.wav -o out");
    EXPECT_EQ(result.status, 1) << name;
    EXPECT_THAT(result.err, AllOf(HasSubstr("error: "), HasSubstr(name)));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(FilesBelow(folder_ / "out"), IsEmpty());
  }
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

TEST_F(SeparateProgram, WrongUseIsTold) {
  WriteFileAtomically(folder_ / "file", "in the way");
  struct {
    const char* arguments;
    const char* says;
  } const cases[] = {
      {"model.onnx good.wav -o out --format flac --bits 32f", "wav, rf64, w64"},
      {"model.onnx good.wav -o out --format mp3 --bits 16", "mp3 is lossy"},
      {"model.onnx good.wav -o out --bitrate 192", "lossless"},
      {"model.onnx good.wav -o out --format mp3 --bitrate 321", "from 64 to 320"},
      {"model.onnx good.wav -o out --format mp4", "stem.mp4"},
      {"model.onnx good.wav -o out --overlap 1", "overlap"},
      {"model.onnx good.wav -o out --overlap -0.1", "overlap"},
      {"model.onnx good.wav -o out --overlap nan", "from 0 to 0.999, not 'nan'"},
      {"model.onnx good.wav -o out --overlap ''", "not ''"},
      {"model.onnx good.wav -o out --overlap 0,5", "not '0,5'"},
      {"model.onnx good.wav -o out --batch 0", "from 1 to 256, not '0'"},
      {"model.onnx good.wav -o out --threads 2.5", "a whole number from 1 to 1024, not '2.5'"},
      {"model.onnx good.wav -o out --threads -1", "not '-1'"},
      {"model.onnx good.wav -o out --threads 1e30", "not '1e30'"},
      {"model.onnx good.wav -o out --stems ,", "a name in --stems is empty"},
      {"model.onnx good.wav -o out --stems drums,,bass", "a name in --stems is empty"},
      {"model.onnx good.wav -o out --stems ''", "--stems"},
      {"model.onnx good.wav -o out --stems drumz", "did you mean 'drums'?"},
      {"model.onnx good.wav -o out --bits 12", "--bits"},
      {"model.onnx good.wav -o out --device tpu", "--device"},
      {"model.onnx good.wav -o out --device cuda", "CUDA"},
      {"model.onnx good.wav -o out --json --quiet", "--quiet"},
      {"model.onnx good.wav -o out --nonsense", "--nonsense"},
      {"model.onnx good.wav -o file/below", "file"},
      {"model.onnx good.wav -o /proc/nowhere", "/proc/nowhere"},
      {"model.onnx . -o .", "output folder"},
      {"model.onnx -o out", "inputs"},
      {"model.onnx good.wav", "--out"},
  };
  for (const auto& c : cases) {
    const ProgramResult result = Separate(c.arguments);
    EXPECT_EQ(result.status, 2) << c.arguments << '\n' << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("error: "), HasSubstr(c.says))) << c.arguments;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(FilesBelow(folder_ / "out"), IsEmpty()) << c.arguments;
  }
}

TEST_F(SeparateProgram, AFileInTheWayOfAFolderFailsThatSong) {
  WriteFileAtomically(folder_ / "out/good", "in the way");
  const ProgramResult result = Separate("model.onnx good.wav -o out");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("in the way"));
}

TEST_F(SeparateProgram, AnInterruptEndsWith130AndLeavesNothing) {
  WriteAudio(folder_ / "long.wav", Ramp(2, 44100 * 60), 44100);
  // Waits until stems are being written (a hidden folder), then presses Ctrl-C, which jobs in the
  // background of a shell do not hear by themselves.
  const ProgramResult result = RunProgram(
      "cd '" + folder_.path().string() + "'; { exec env --default-signal=INT " + kSeparate +
      " model.onnx long.wav -o out --overlap 0.99; } & pid=$!; for i in $(seq 3000); do "
      "ls -d out/.files* >/dev/null 2>&1 && break; sleep 0.01; done; "
      "kill -INT $pid; wait $pid");
  EXPECT_EQ(result.status, 130);
  EXPECT_THAT(result.err, HasSubstr("interrupted"));
  EXPECT_THAT(FilesBelow(folder_ / "out"), IsEmpty());
  EXPECT_TRUE(fs::is_empty(folder_ / "out"));
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

}  // namespace
}  // namespace stemsmith
