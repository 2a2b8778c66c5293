// Separator on files that change, and into files of any name.
#include "separate/separator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/separate/stream_fixture.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SeparatorTest : public ::testing::Test {
 protected:
  SeparatorTest() { WriteAudio(song_, AudioBuffer(2, 100000), 44100); }

  static SeparatorOptions Options(const char* format = "wav") {
    SeparatorOptions options;
    options.encoding.format = format;
    return options;
  }

  testing::TemporaryFolder folder_;
  const fs::path song_ = folder_ / "song.wav";
  testing::FunctionRuntime runtime_{testing::TinyManifest(4), [](auto, auto frames, float* out) {
                                      std::fill_n(out, 4 * 2 * frames, 0.5f);
                                    }};
};

TEST_F(SeparatorTest, ASongThatGrowsMeanwhileFailsAndLeavesNothing) {
  Separator separator(runtime_, Options());
  const auto grow = [&](std::int64_t done, std::int64_t, int) {
    if (done > 0) std::ofstream(song_, std::ios::app) << "more";
  };
  const Error error =
      testing::ErrorOf([&] { separator.SeparateFile(song_, folder_ / "out", grow); });
  EXPECT_THAT(error.what(), HasSubstr("changed while it was separated"));
  EXPECT_THAT(error.what(), HasSubstr("song.wav"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1);
  EXPECT_THROW(separator.SeparateTo(song_, [](const auto&) {}, [](auto, auto) {}, grow), Error);
}

TEST_F(SeparatorTest, FilesMayLieInSeveralFolders) {
  Separator separator(runtime_, Options());
  std::vector<fs::path> files;
  for (const std::string& stem : separator.names())
    files.push_back(folder_ / "out" / stem / "song.wav");
  const SeparatedSong song = separator.SeparateInto(song_, files);
  EXPECT_EQ(song.folder, folder_ / "out");
  for (const fs::path& file : files) EXPECT_EQ(OpenAudio(file)->info().frames, 100000) << file;
}

TEST_F(SeparatorTest, OneStemIsGivenAsItIsMade) {
  SeparatorOptions options = Options();
  options.files.stems = {"bass"};
  Separator separator(runtime_, options);
  std::int64_t frames = 0, length = 0;
  const SeparatedSong song = separator.SeparateTo(
      song_, [&](const AudioInfo& info) { length = info.frames; },
      [&](const float* samples, std::size_t count) {
        EXPECT_EQ(samples[0], 0.5f);
        frames += static_cast<std::int64_t>(count);
      });
  EXPECT_EQ(frames, 100000);
  EXPECT_EQ(length, 100000);
  EXPECT_EQ(song.frames, 100000);
}

TEST_F(SeparatorTest, StemFilesHoldFourStems) {
  Separator four(runtime_, Options("stem.mp4"));
  SeparatorOptions three = Options("stem.mp4");
  three.files.stems = {"drums", "bass", "vocals"};
  const Error error = testing::ErrorOf([&] { Separator(runtime_, three); });
  EXPECT_THAT(error.what(), HasSubstr("exactly 4 stems, not 3 (drums, bass, vocals)"));
  EXPECT_THAT(error.what(), HasSubstr("4stem"));
  SeparatorOptions both = Options("stem.mp4");
  both.encoding.sample_format = SampleFormat::kInt16;
  both.encoding.bit_rate = 256000;
  EXPECT_THROW(Separator(runtime_, both), Error);
}

}  // namespace
}  // namespace stemsmith
