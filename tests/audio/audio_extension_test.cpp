// Files that decode when they are given alone are found in folders, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "audio/decode.h"
#include "core/error.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith {
namespace {

using testing::ProgramResult;
using testing::RunProgram;
using testing::TemporaryFolder;

TEST(AudioExtension, IsKnownInAnyCase) {
  EXPECT_TRUE(HasAudioExtension("a/b.WAV"));
  EXPECT_TRUE(HasAudioExtension("x.stem.mp4"));
  EXPECT_TRUE(HasAudioExtension("x.M2ts"));
  EXPECT_FALSE(HasAudioExtension("notes.txt"));
  EXPECT_FALSE(HasAudioExtension("wav"));
}

TEST(AudioExtension, ATorchScriptModelIsNoTransportStream) {
  const TemporaryFolder folder;
  std::ofstream(folder / "model.ts") << "PK\x03\x04";
  std::ofstream(folder / "page.ts") << "import x from 'y'";
  std::ofstream(folder / "film.ts") << "G@\x11";
  EXPECT_FALSE(HasAudioExtension(folder / "model.ts"));
  EXPECT_FALSE(HasAudioExtension(folder / "page.ts"));
  EXPECT_TRUE(HasAudioExtension(folder / "film.ts"));
}

TEST(AudioExtension, IsKnownOfWhateverFfmpegWritesAndOpenAudioReads) {
  if (!testing::HasFfmpeg() || !testing::HasLibavModule()) {
    GTEST_SKIP() << "needs ffmpeg and the libav module";
  }
  const TemporaryFolder folder;
  // What stands behind an ending are ffmpeg's options for it.
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"wav", ""},
      {"bwf", "-f wav"},
      {"rf64", "-f wav -rf64 always"},
      {"w64", ""},
      {"aif", ""},
      {"aiff", ""},
      {"aifc", ""},
      {"au", ""},
      {"snd", "-f au"},
      {"caf", ""},
      {"flac", ""},
      {"ogg", ""},
      {"oga", ""},
      {"opus", ""},
      {"spx", "-c:a libspeex -ar 16000"},
      {"mp2", ""},
      {"mp3", ""},
      {"m4a", ""},
      {"m4b", ""},
      {"m4r", "-f ipod"},
      {"mp4", ""},
      {"m4v", ""},
      {"mov", ""},
      {"3gp", "-c:a aac"},
      {"3g2", "-c:a aac"},
      {"f4v", ""},
      {"aac", ""},
      {"mka", ""},
      {"mkv", ""},
      {"webm", ""},
      {"weba", "-f webm"},
      {"wma", ""},
      {"wmv", ""},
      {"asf", ""},
      {"wv", ""},
      {"tta", ""},
      {"ac3", ""},
      {"eac3", ""},
      {"ec3", "-f eac3"},
      {"dts", "-strict -2 -c:a dca"},
      {"thd", "-strict -2 -c:a truehd"},
      {"mlp", "-strict -2 -c:a mlp"},
      {"avi", ""},
      {"flv", ""},
      {"mpg", ""},
      {"mpeg", ""},
      {"vob", ""},
      {"ts", ""},
      {"m2t", "-f mpegts"},
      {"mts", ""},
      {"m2ts", ""},
      {"ogv", ""},
      {"ogx", "-f ogg"},
      {"nut", ""},
      {"rm", ""},
      {"ra", ""},
      {"voc", ""},
      {"sox", ""},
      {"sf", ""},
      {"ircam", ""},
      {"gsm", "-ar 8000 -ac 1"},
      {"adx", ""},
      {"wtv", ""},
  };
  std::string command = "ffmpeg -nostdin -v error -f lavfi -i anoisesrc=d=0.5:a=0.2:r=48000:seed=1";
  for (const auto& [ending, options] : kinds) {
    const std::string channels = options.find("-ac ") == options.npos ? " -ac 2 " : " ";
    command += " -map 0:a" + channels + options + " '" + (folder / ("a." + ending)).string() + "'";
  }
  const ProgramResult result = RunProgram(command);
  ASSERT_EQ(result.status, 0) << result.err;
  for (const auto& [ending, options] : kinds) {
    const auto path = folder / ("a." + ending);
    EXPECT_TRUE(HasAudioExtension(path)) << ending;
    try {
      EXPECT_GT(ReadAll(*OpenAudio(path)).frames(), 3000u) << ending;
    } catch (const Error& error) {
      ADD_FAILURE() << ending << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace stemsmith
