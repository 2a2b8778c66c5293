// What `separate` says and leaves where songs, models, disks or its user fail.
#include <algorithm>
#include <limits>

#include "core/files.h"
#include "tests/apps/separate_program.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::FilesBelow;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kSeparate;
using testing::ProgramResult;
using testing::Ramp;
using testing::RunProgram;
using testing::SeparateProgram;

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
  for (const char* name : {"cut.onnx", "text.onnx", "missing.onnx", "missing.wav"}) {
    const ProgramResult result = Separate(std::string(name) + " good.wav -o out");
    EXPECT_EQ(result.status, 1) << name;
    EXPECT_THAT(result.err, AllOf(HasSubstr("error: "), HasSubstr(name)));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(FilesBelow(folder_ / "out"), IsEmpty());
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
      {"model.onnx good.wav -o out --threads 2.5", "a whole number from 0 to 1024, not '2.5'"},
      {"model.onnx good.wav -o out --threads -1", "not '-1'"},
      {"model.onnx good.wav -o out --threads 1e30", "not '1e30'"},
      {"model.onnx good.wav -o out --stems ,", "a name in --stems is empty"},
      {"model.onnx good.wav -o out --stems drums,,bass", "a name in --stems is empty"},
      {"model.onnx good.wav -o out --stems ''", "--stems"},
      {"model.onnx good.wav -o out --stems drumz", "did you mean 'drums'?"},
      {"model.onnx good.wav -o out --bits 12", "did you mean '16'? known: 16, 24, 32f"},
      {"model.onnx good.wav -o out --bits 32", "did you mean '32f'?"},
      {"model.onnx good.wav -o out --clip clmap", "'clmap' (--clip); did you mean 'clamp'?"},
      {"model.onnx good.wav -o out --window triangel", "did you mean 'triangle'?"},
      {"model.onnx good.wav -o out --combine medain", "did you mean 'median'?"},
      {"model.onnx good.wav -o out --overlap-style demux", "did you mean 'demucs'?"},
      {"model.onnx good.wav -o out --on-damage conceel", "did you mean 'conceal'?"},
      {"model.onnx good.wav -o out --device tpu", "--device"},
      {"model.onnx good.wav -o out --device cuda", "CUDA"},
      {"model.onnx good.wav -o out --json --quiet", "--quiet"},
      {"model.onnx good.wav -o out --nonsense", "--nonsense"},
      {"model.onnx good.wav -o file/below", "file"},
      {"model.onnx good.wav -o /proc/nowhere", "/proc/nowhere"},
      {"model.onnx . -o .", "output folder"},
      {"model.onnx -o out", "no songs"},
      {"-o out", "songs"},
      {"htdemux", "there is no model called 'htdemux'"},
      {"good.wav -o out", "stemsmith download htdemucs"},
      {"htdemux good.wav -o out", "did you mean 'htdemucs'?"},
      {"htdemucs umxl good.wav -o out", "two of the words are models"},
      {"mdx_q good.wav -o out", "take 'mdx'"},
      {"good.wav model.onnx text.onnx -o out", "two of the words are models"},
      {"-m '' good.wav -o out", "--model: its value is empty"},
      {"model.onnx good.wav -o ''", "--out: its value is empty"},
      {"model.onnx good.wav --settings '' -o out", "no settings file"},
      {"model.onnx good.wav -o good.wav", "the output folder is a file (good.wav); give a folder"},
  };
  for (const auto& c : cases) {
    const ProgramResult result = Separate(c.arguments);
    EXPECT_EQ(result.status, 2) << c.arguments << '\n' << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("error: "), HasSubstr(c.says))) << c.arguments;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(FilesBelow(folder_ / "out"), IsEmpty()) << c.arguments;
  }
}

TEST_F(SeparateProgram, WhatIsNotThereIsToldBeforeAModelIsAskedFor) {
  const std::string nobody = "HOME=/nonexistent XDG_DATA_HOME= ";
  const ProgramResult missing = Separate("nosuch.wav", nobody);
  EXPECT_EQ(missing.err, "error: no such file or folder (nosuch.wav); check the path\n");
  for (const char* words : {"https://x.org/a.mp3", "model.onnx https://x.org/a.mp3 -o out",
                            "https://x.org/model.onnx good.wav -o out"}) {
    const ProgramResult address = Separate(words, nobody);
    EXPECT_EQ(address.status, 1);
    EXPECT_THAT(address.err, HasSubstr("download the file first")) << words;
  }
}

TEST_F(SeparateProgram, LongNamesAreShortened) {
  const std::string name(300, 'a');
  const ProgramResult result = Separate(name + " good.wav -o out");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("'" + name.substr(0, 40) + "…'"));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr(name.substr(0, 41))));
}

TEST_F(SeparateProgram, OddFoldersAreWarnedOf) {
  const ProgramResult file_name = Separate("model.onnx good.wav -o new.wav");
  EXPECT_EQ(file_name.status, 0);
  EXPECT_THAT(file_name.err, HasSubstr("a new folder called 'new.wav'"));
  EXPECT_THAT(Separate("model.onnx good.wav -o out", "XDG_DATA_HOME=data ").err,
              HasSubstr("warning: XDG_DATA_HOME is passed over"));
}

TEST_F(SeparateProgram, SettingsAreToldByFileAndLine) {
  const struct {
    const char *settings, *says;
  } cases[] = {
      {"formt = 1", "there is no setting 'formt' (s.toml, line 1); did you mean 'format'?"},
      {"# x\n\nformat = \"mp5\"", "(s.toml, line 3); did you mean 'mp3'?"},
      {"stems = [\n\"drums\"]\nbatch = 0", "not '0' (s.toml, line 3)"},
      {"stems = [\"drumz\"]", "s.toml, line 1"},
      {"bits = 12", "(s.toml, line 1)"},
      {"quiet = maybe", "'maybe' is no value of 'quiet' (s.toml, line 1); give true or false"},
      {"[part]\nquiet = true", "without sections"},
      {"format", "'format' has no value (s.toml, line 1)"},
      {"format = wav\nformat = flac", "'format' is set twice (s.toml, line 2)"},
      {"default-model = \"nosuch\"",
       "the default model 'nosuch': there is no model called 'nosuch', and no such file (s.toml, "
       "line 1)"},
      {"default-model = \"nosuch.onnx\"", "there is no such file (s.toml, line 1)"},
  };
  for (const auto& [settings, says] : cases) {
    WriteFileAtomically(folder_ / "s.toml", settings);
    const std::string model =
        ::testing::Matches(HasSubstr("default"))(std::string(settings)) ? "" : "-m model.onnx ";
    const ProgramResult result = Separate(model + "good.wav -o out --settings s.toml");
    EXPECT_EQ(result.status, 2) << settings;
    EXPECT_THAT(result.err, HasSubstr(says)) << settings;
  }
  EXPECT_EQ(Separate("--help --settings s.toml").status, 0);
  EXPECT_THAT(Separate("model.onnx good.wav --settings .").err,
              HasSubstr("the settings file is a folder (.)"));
  EXPECT_THAT(Separate("model.onnx good.wav --settings nosuch").err,
              HasSubstr("there is no such settings file (nosuch)"));
  // The command line counts for more.
  WriteFileAtomically(folder_ / "s.toml", "format = \"flac\"\nquiet = true\n");
  EXPECT_EQ(Separate("model.onnx good.wav -o out --settings s.toml --json --format wav").status, 0);
  EXPECT_THAT(FilesBelow(folder_ / "out"),
              ::testing::ElementsAre("good/bass.wav", "good/drums.wav"));
  // Also where it chooses files in another way, and a format that has no bits or no rate.
  WriteFileAtomically(folder_ / "s.toml", "two-stems = \"drums\"\nbits = 24\nbitrate = 128\n");
  const auto with = [&](const std::string& options) {
    const ProgramResult result =
        Separate("model.onnx good.wav --settings s.toml " + options);
    EXPECT_EQ(result.status, 0) << options << result.err;
  };
  with("-o bass --stems bass --format mp3");
  EXPECT_THAT(FilesBelow(folder_ / "bass"), ::testing::ElementsAre("good/bass.mp3"));
  with("-o drums --format flac");
  EXPECT_THAT(FilesBelow(folder_ / "drums"),
              ::testing::ElementsAre("good/drums.flac", "good/no_drums.flac"));
  WriteFileAtomically(folder_ / "s.toml", "format = mp3\nbits = 24\n");
  EXPECT_THAT(Separate("model.onnx good.wav --settings s.toml").err, HasSubstr("s.toml, line 2"));
}

TEST_F(SeparateProgram, SongsThatAllFailLeaveNoFolder) {
  WriteFileAtomically(folder_ / "bad.wav", "no audio");
  EXPECT_EQ(Separate("model.onnx bad.wav -o out/of/songs").status, 1);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
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
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

}  // namespace
}  // namespace stemsmith
