// Which songs `separate` takes, where its stems go, and what it makes of its own options.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "tests/apps/separate_program.h"
#include "tests/support/made_files.h"

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
using testing::RunProgram;
using testing::Samples;

class SeparateFiles : public testing::SeparateProgram {
 protected:
  void ExpectWrongUse(const std::string& arguments, const std::string& says) {
    const ProgramResult result = Separate(arguments);
    EXPECT_EQ(result.status, 2) << arguments;
    EXPECT_THAT(result.err, HasSubstr(says)) << arguments;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  // good.wav as songs a/1.wav, a/2.wav, b/1.wav below `in`.
  void MakeSongs() {
    for (const char* name : {"a/1.wav", "a/2.wav", "b/1.wav"}) {
      fs::create_directories((folder_ / "in" / name).parent_path());
      fs::copy_file(folder_ / "good.wav", folder_ / "in" / name);
    }
  }
  std::vector<std::string> Out() { return FilesBelow(folder_ / "out"); }
  // Runs in the temporary folder.
  ProgramResult Bash(const std::string& script) {
    WriteFileAtomically(folder_ / "script", script);
    return RunProgram("cd '" + folder_.path().string() + "' && bash script");
  }
};

TEST_F(SeparateFiles, ControlCharactersInNamesAreShown) {
  fs::copy_file(folder_ / "good.wav", folder_ / "a\nb\x1b[2J.wav");
  const std::string songs = "model.onnx a*.wav -o out";
  EXPECT_THAT(Separate(songs + " --dry-run").out, HasSubstr("a\\nb\\x1b[2J.wav -> "));
  const ProgramResult result = Separate(songs);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::StartsWith("a\\nb\\x1b[2J: "));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
  EXPECT_TRUE(fs::exists(folder_ / "out/a\nb\x1b[2J/drums.wav"));
  WriteFileAtomically(folder_ / "a\nb\x1b[2J.wav", "no audio");
  EXPECT_THAT(Separate(songs).err, AllOf(HasSubstr("a\\nb\\x1b[2J.wav"), Not(HasSubstr("\x1b"))));
}

TEST_F(SeparateFiles, ATemplateNamesThem) {
  MakeSongs();
  const std::string run = "model.onnx in/a/1.wav in/b/1.wav -o out --name ";
  ASSERT_EQ(Separate(run + "'{stem}/{parent}-{track}.{ext}' --format flac").status, 0);
  EXPECT_THAT(Out(), ElementsAre("bass/a-1.flac", "bass/b-1.flac", "drums/a-1.flac",
                                 "drums/b-1.flac"));
  const ProgramResult again =
      Separate(run + "'{stem}/{parent}-{track}.{ext}' --format flac --skip-existing");
  EXPECT_THAT(again.out, HasSubstr(", 2 skipped"));
  EXPECT_THAT(Separate(run + "'{model}/{track} {stem}.{ext}' --dry-run").out,
              HasSubstr("in/b/1.wav -> out/" + folder_.path().filename().string() +
                        "/1-2 bass.wav, "));
  ExpectWrongUse(run + "'{track}.{ext}'", "would be the same file");
  ExpectWrongUse(run + "'{stem}.{ext}'", "add {track}");
  ExpectWrongUse(run + "'{stm}.{ext}'", "did you mean 'stem'");
  ExpectWrongUse(run + "''", "--name");
  // A file in the way of a folder is known before the work.
  WriteFileAtomically(folder_ / "out2/drums", "in the way");
  const ProgramResult blocked =
      Separate("model.onnx good.wav -o out2 --name '{stem}/{track}.{ext}'");
  EXPECT_EQ(blocked.status, 1);
  EXPECT_THAT(blocked.err, HasSubstr("in the way of the folder (out2/drums)"));
  EXPECT_THAT(FilesBelow(folder_ / "out2"), ElementsAre("drums"));
  const ProgramResult longer =
      Separate("model.onnx good.wav -o out3 --name '" + std::string(260, 'x') + "{stem}.{ext}'");
  EXPECT_EQ(longer.status, 1);
  EXPECT_THAT(longer.err, HasSubstr("File name too long"));
}

TEST_F(SeparateFiles, ListsAndPatternsNameSongs) {
  MakeSongs();
  WriteFileAtomically(folder_ / "list", "# songs\n\nin/a/2.wav\r\nin/b\n");
  ASSERT_EQ(Separate("model.onnx good.wav --files-from list -o out --stems bass").status, 0);
  EXPECT_THAT(Out(), ElementsAre("1/bass.wav", "2/bass.wav", "good/bass.wav"));
  fs::remove_all(folder_ / "out");
  ASSERT_EQ(Separate("model.onnx --files-from - -o out --stems bass", "ls in/a/* | ").status, 0);
  EXPECT_THAT(Out(), ElementsAre("1/bass.wav", "2/bass.wav"));
  fs::remove_all(folder_ / "out");
  ASSERT_EQ(Separate("'in/*/1.wav' -m model.onnx -o out --stems bass").status, 0);
  EXPECT_THAT(Out(), ElementsAre("1-2/bass.wav", "1/bass.wav"));
  const ProgramResult none = Separate("model.onnx 'in/*.ogg' good.wav -o out");
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("no file or folder matches this (in/*.ogg)"));
  ExpectWrongUse("model.onnx --files-from missing", "there is no such list (missing)");
  WriteFileAtomically(folder_ / "empty", "# nothing\n");
  ExpectWrongUse("model.onnx --files-from empty", "no songs to separate (empty)");
}

TEST_F(SeparateFiles, SharesAreAllSongsTogetherAndNoneTwice) {
  MakeSongs();
  std::vector<std::string> all;
  for (const char* shard : {"1/2", "2/2"}) {
    fs::remove_all(folder_ / "out");
    ASSERT_EQ(Separate(std::string("model.onnx in -o out --stems bass --shard ") + shard).status,
              0);
    for (const std::string& file : Out()) all.push_back(file);
  }
  std::sort(all.begin(), all.end());
  EXPECT_THAT(all, ElementsAre("a/1/bass.wav", "a/2/bass.wav", "b/1/bass.wav"));
  EXPECT_EQ(Separate("model.onnx in -o out --shard 9/9").status, 0);  // nothing is left for it
  // What cannot be used is told once.
  EXPECT_EQ(Separate("model.onnx in missing -o out --shard 1/2").status, 1);
  EXPECT_EQ(Separate("model.onnx in missing -o out --shard 2/2").status, 0);
  for (const char* shard : {"0/2", "3/2", "2", "a/b", "1/0", "-1/2"})
    ExpectWrongUse(std::string("model.onnx in --shard ") + shard, "--shard");
}

TEST_F(SeparateFiles, SeveralSongsAtOnceGiveTheSameFiles) {
  MakeSongs();
  ASSERT_EQ(Separate("model.onnx in good.wav -o one --bits 32f --threads 1").status, 0);
  const ProgramResult result =
      Separate("model.onnx in missing.wav good.wav -o out --bits 32f --threads 3 --jobs 3 --json");
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(Out(), FilesBelow(folder_ / "one"));
  for (const std::string& file : Out())
    EXPECT_EQ(ReadFile(folder_ / "out" / file), ReadFile(folder_ / "one" / file)) << file;
  std::istringstream text(result.out);
  int songs = 0;
  for (std::string line; std::getline(text, line);)
    songs += nlohmann::json::parse(line)["event"] == "song";
  EXPECT_EQ(songs, 4);
  ExpectWrongUse("model.onnx in --jobs 0", "--jobs");
  EXPECT_THAT(Separate("model.onnx in -o out --jobs 2").out, HasSubstr("3 of 3 songs"));
}

// Gibibytes in "takes 57.3 MiB of memory".
double TakenGib(const std::string& text) {
  std::istringstream rest(text.substr(text.find("takes ") + 6));
  double number = 0;
  std::string unit;
  rest >> number >> unit;
  return unit == "GiB" ? number : number / 1024;
}

TEST_F(SeparateFiles, NoMoreMemoryIsTakenThanMayBe) {
  MakeSongs();
  const ProgramResult over = Separate("model.onnx in -o out --max-memory 0.001");
  EXPECT_EQ(over.status, 1);
  EXPECT_THAT(over.err, AllOf(HasSubstr("of memory"), HasSubstr("(--max-memory); allow more")));
  EXPECT_EQ(std::count(over.err.begin(), over.err.end(), '\n'), 1) << over.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  // Opening the model has taken that; two songs at once or one take less than three times as much.
  const double opened = TakenGib(over.err);
  ASSERT_GT(opened, 0.001);
  ASSERT_EQ(Separate("model.onnx in -o one --threads 1").status, 0);
  const ProgramResult fewer = Separate("model.onnx in -o out --threads 8 --jobs 8 --max-memory " +
                                       std::to_string(3 * opened));
  EXPECT_EQ(fewer.status, 0) << fewer.err;
  EXPECT_THAT(fewer.err, HasSubstr(" at once, not 8: one takes "));
  EXPECT_EQ(Out(), FilesBelow(folder_ / "one"));
  for (const std::string& file : Out())
    EXPECT_EQ(ReadFile(folder_ / "out" / file), ReadFile(folder_ / "one" / file)) << file;
  const ProgramResult all = Separate("model.onnx in -o out --jobs 2 --max-memory 1000");
  EXPECT_EQ(all.status, 0);
  EXPECT_THAT(all.err, Not(HasSubstr("at once")));
}

TEST_F(SeparateFiles, ASongFromStandardInputAndAStemToStandardOutput) {
  WriteAudio(folder_ / "good.wav", Ramp(2, 30000), 44100,
             {.sample_format = SampleFormat::kFloat32});
  const std::vector<float> song = Samples(folder_ / "good.wav");
  ASSERT_EQ(Separate("model.onnx - -o out --bits 32f", "cat good.wav | ").status, 0);
  EXPECT_THAT(Out(), ElementsAre("stdin/bass.wav", "stdin/drums.wav"));
  ProgramResult result =
      Separate("model.onnx - -o - --stems drums --bits 32f > drums.wav", "cat good.wav | ");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("stdin: 0:01 of audio"));
  EXPECT_EQ(Samples(folder_ / "drums.wav"), Samples(folder_ / "out/stdin/drums.wav"));
  // Without headers: the end of the file is its samples.
  result = Separate(
      "model.onnx - --raw-input 44100,2 -o - --raw-output --stems drums --bits 32f --quiet > raw",
      "tail -c " + std::to_string(4 * song.size()) + " good.wav | ");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(ReadFile(folder_ / "raw"),
            ReadFile(folder_ / "out/stdin/drums.wav").substr(fs::file_size(folder_ / "drums.wav") -
                                                             4 * song.size()));
  result = Separate("model.onnx - --raw-input 48000,1,16 -o out2 --quiet", "head -c 96000 raw | ");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(OpenAudio(folder_ / "out2/stdin/bass.wav")->info().frames, 48000);
  EXPECT_EQ(OpenAudio(folder_ / "out2/stdin/bass.wav")->info().channels, 1);

  result = Separate("model.onnx - -o out", "printf 'this is text' | ");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("standard input"), Not(HasSubstr("/proc"))));
  EXPECT_EQ(Separate("model.onnx - -o out < /dev/null").status, 1);
  ExpectWrongUse("model.onnx good.wav -o -", "one stem, not 2 (drums, bass)");
  ExpectWrongUse("model.onnx good.wav good.wav model.onnx -o - --stems bass", "one song, not 2");
  for (const char* other : {"--json", "--dry-run", "--skip-existing", "--name a.wav",
                            "--clip rescale", "--format flac"})
    ExpectWrongUse(std::string("model.onnx good.wav -o - --stems bass ") + other, "-o -");
  ExpectWrongUse("model.onnx good.wav --raw-output", "--raw-output");
  ExpectWrongUse("model.onnx good.wav --raw-input 44100,2", "--raw-input");
  for (const char* raw : {"44100", "44100,2,12", "1,2", "44100,0", "x,2", "44100,2,16,1"})
    ExpectWrongUse(std::string("model.onnx - --raw-input ") + raw + " < good.wav", "");
  ExpectWrongUse("model.onnx - --files-from - < good.wav", "standard input is a list and a song");

  EXPECT_EQ(Bash("{ sleep 0.1; " + kSeparate +
                 " model.onnx good.wav -o - --stems bass; } | true\nexit ${PIPESTATUS[0]}")
                .status,
            141);
  result = Separate("model.onnx good.wav -o - --stems bass > /dev/full");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("cannot write to standard output: No space left"));
}

TEST_F(SeparateFiles, WhatGoesNotWithStandardStreamsIsToldWithItsPlace) {
  ExpectWrongUse("model.onnx - --raw-input 44100,0", "0 channels (--raw-input); give 1 to 64");
  ExpectWrongUse("model.onnx - --raw-input 0,2", "0 Hz (--raw-input)");
  const auto expect_place = [&](const std::string& setting, const std::string& arguments,
                                const std::string& says) {
    WriteFileAtomically(folder_ / "s.toml", setting + "\n");
    ExpectWrongUse("--settings s.toml model.onnx good.wav " + arguments, "s.toml, line 1: " + says);
  };
  expect_place("raw-output = true", "", "--raw-output); give -o -, or leave it out");
  expect_place("raw-input = \"44100,2\"", "", "--raw-input); give - as the song");
  expect_place("format = \"flac\"", "-o - --stems bass", "--format flac); give --format wav");
  expect_place("skip-existing = true", "-o - --stems bass", "--skip-existing); leave it out");
  expect_place("bits = 32f", "--format flac", "--bits)");
  expect_place("bitrate = 999", "--format mp3", "--bitrate)");
  expect_place("audio-stream = \"-1\"", "", "--audio-stream)");
}

TEST_F(SeparateFiles, AStemFileHoldsTheSongAndFourStems) {
  if (!testing::HasLibavModule()) GTEST_SKIP() << "needs the libav module";
  testing::WriteGainOnnx(folder_ / "four.onnx", testing::TinyManifest(4),
                         {0.5f, -0.25f, 0.1f, 1.0f});
  for (const auto& [bits, frames, tolerance] :
       {std::tuple("", 30720, 0.06), std::tuple("--bits 24", 30000, 1e-6)}) {
    const ProgramResult result =
        Separate(std::string("four.onnx good.wav -o out --format stem.mp4 ") + bits);
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("good: 4 stems in out/good.stem.mp4"));
    DecodeOptions all;
    all.all_streams = true;
    const auto reader = OpenAudio(folder_ / "out/good.stem.mp4", all);
    std::vector<std::string> names;
    for (const AudioStreamInfo& stream : reader->info().streams) names.push_back(stream.title);
    EXPECT_THAT(names, ElementsAre("mixture", "drums", "bass", "other", "vocals"));
    const AudioBuffer back = ReadAll(*reader);
    EXPECT_EQ(back.frames(), static_cast<std::size_t>(frames));
    const std::vector<float> mix = Samples(folder_ / "good.wav");
    for (std::size_t t = 1000; t < 29000; ++t) {
      // AAC loses most where the song is loud; a stem out of place would be off by tenths.
      ASSERT_NEAR(back.channel(0)[t], mix[t], tolerance) << t;
      ASSERT_NEAR(back.channel(2)[t], 0.5 * mix[t], tolerance) << t;
      ASSERT_NEAR(back.channel(4)[t], -0.25 * mix[t], tolerance) << t;
    }
  }
  // The song's own stem file is never replaced by what is made of it.
  fs::copy_file(folder_ / "out/good.stem.mp4", folder_ / "song.stem.mp4");
  ExpectWrongUse("four.onnx song.stem.mp4 -o . --format stem.mp4", "song.stem.mp4");
  ExpectWrongUse("model.onnx good.wav --format stem.mp4",
                 "exactly 4 stems, not 2 (drums, bass) (--format); choose or sum four: --preset "
                 "4stem, or --stems and --mix");
  ExpectWrongUse("four.onnx good.wav --format stem.mp4 --bits 16 --bitrate 256", "no bit rate");
  ExpectWrongUse("four.onnx good.wav --format stem.mp4 --bits 32f", "no samples of 32f");
}

TEST_F(SeparateFiles, TagsAreCopiedUnlessTheyAreNotWanted) {
  EncodeOptions options;
  options.tags = {{"title", "Song"}, {"artist", "Someone"}};
  WriteAudio(folder_ / "good.wav", Ramp(2, 30000), 44100, options);
  const auto bytes = [&](const std::string& more) {
    EXPECT_EQ(Separate("model.onnx good.wav -o out --stems bass " + more).status, 0);
    return ReadFile(folder_ / "out/good/bass.wav");
  };
  EXPECT_THAT(bytes(""), AllOf(HasSubstr("Song (bass)"), HasSubstr("Someone")));
  EXPECT_THAT(bytes("--no-tags"), AllOf(Not(HasSubstr("Song")), Not(HasSubstr("Someone"))));
}

TEST_F(SeparateFiles, BashCompletesOptionsAndTheirWords) {
  ASSERT_EQ(Separate("--generate bash > completion").status, 0);
  const auto complete = [&](const std::string& line, const std::string& program = "separate") {
    return Bash("PATH=" STEMSMITH_BIN_DIR ":$PATH\n. ./completion\nCOMP_WORDS=(" + line +
                ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_complete_" + program +
                "\nprintf '%s\\n' \"${COMPREPLY[@]}\"")
        .out;
  };
  EXPECT_EQ(complete("separate --for"), "--format\n");
  EXPECT_EQ(complete("separate --format fl"), "flac\n");
  EXPECT_EQ(complete("separate --clip ''"), "none\nclamp\nrescale\n");
  EXPECT_EQ(complete("separate -o ''"), "\n");  // bash completes files
  EXPECT_THAT(complete("separate htdemucs_f"), HasSubstr("htdemucs_ft\n"));
  EXPECT_EQ(complete("separate goo"), "good.wav\n");
  ASSERT_EQ(RunProgram(STEMSMITH_BIN_DIR "/stemsmith --generate bash > " +
                       (folder_ / "completion").string())
                .status,
            0);
  EXPECT_EQ(complete("stemsmith basel", "stemsmith"), "baseline\n");
  EXPECT_EQ(complete("stemsmith baseline --form", "stemsmith"), "--format\n");
  EXPECT_EQ(complete("stemsmith baseline --format op", "stemsmith"), "opus\n");
  EXPECT_EQ(complete("stemsmith train --form", "stemsmith"), "\n");
  ExpectWrongUse("--generate csh", "bash, zsh, fish, man;");
}

TEST_F(SeparateFiles, ManualPagesNameEveryOptionAndRender) {
  for (const std::string program : {"separate", "stemsmith"}) {
    const std::string command = STEMSMITH_BIN_DIR "/" + program;
    const ProgramResult page = RunProgram(command + " --generate man");
    ASSERT_EQ(page.status, 0);
    std::istringstream help(RunProgram(command + " --help").out);
    for (std::string word; help >> word;) {
      if (!word.starts_with("--") || word.size() < 4) continue;
      word = word.substr(0, word.find_first_of(",;.:)=`'"));
      std::string escaped;
      for (const char letter : word) escaped += letter == '-' ? "\\-" : std::string(1, letter);
      EXPECT_THAT(page.out, HasSubstr(escaped));
    }
    if (RunProgram("command -v groff").status != 0) continue;
    const ProgramResult shown =
        RunProgram(command + " --generate man | groff -K utf8 -T utf8 -man -ww");
    EXPECT_EQ(shown.err, "");
    EXPECT_THAT(shown.out, HasSubstr(program == "separate" ? "the stems of songs" : "export"));
  }
}

}  // namespace
}  // namespace stemsmith
