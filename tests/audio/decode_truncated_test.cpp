// Files that end too early are errors that say how far they go; recordings that were merely never
// closed are whole.
#include <gmock/gmock.h>

#include <cmath>
#include <regex>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/audio/decode_table.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr double kSeconds = 3;

class DecodeTruncated : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  }

  std::string Refusal(const std::string& name, const DecodeOptions& options = {}) const {
    const Error error = ErrorOf([&] { Drain(*OpenAudio(files_ / name, options)); });
    EXPECT_EQ(error.code(), ExitCode::kInputFailed) << error.what();
    EXPECT_FALSE(error.advice().empty()) << error.what();
    return error.what();
  }

  MadeFiles files_;
};

TEST_F(DecodeTruncated, ACutFileIsAnErrorThatSaysHowFarItGoes) {
  struct {
    MadeFile file;
    double slack;  // seconds: a packet, or a page of Ogg
  } const kinds[] = {
      {{"a.au", "stereo 44100 3", ""}, 0.02},
      {{"f32.au", "mono 48000 3", "-c:a pcm_f32be"}, 0.02},
      {{"a.w64", "stereo 44100 3", ""}, 0.02},
      {{"six.w64", "5.1 48000 3", "-c:a pcm_f32le"}, 0.02},
      {{"a.wav", "stereo 44100 3", ""}, 0.02},
      {{"rf64.wav", "stereo 44100 3", "-rf64 always"}, 0.02},
      {{"ima.wav", "stereo 44100 3", "-c:a adpcm_ima_wav"}, 0.1},
      {{"a.aiff", "stereo 44100 3", ""}, 0.02},
      {{"f32.aiff", "stereo 44100 3", "-c:a pcm_f32be"}, 0.02},
      {{"a.caf", "stereo 44100 3", "-c:a pcm_s16be"}, 0.02},
      {{"a.flac", "stereo 44100 3", "-c:a flac"}, 0.25},
      {{"a.oga", "stereo 44100 3", "-c:a flac"}, 1.2},
      {{"a.ogg", "stereo 44100 3", "-c:a libvorbis"}, 1.2},
      {{"six.ogg", "5.1 48000 3", "-c:a libvorbis"}, 1.2},
      {{"a.opus", "stereo 48000 3", "-c:a libopus"}, 1.2},
      {{"pages.opus", "stereo 48000 3", "-c:a libopus -page_duration 100000"}, 0.3},
      {{"six.opus", "5.1 48000 3", "-c:a libopus"}, 1.2},
      {{"a.mp3", "stereo 44100 3", "-c:a libmp3lame"}, 0.2},
      {{"fast.m4a", "stereo 44100 3", "-c:a aac -movflags +faststart"}, 0.2},
      {{"alac.m4a", "stereo 44100 3", "-c:a alac -movflags +faststart"}, 0.3},
      {{"fast.mov", "picture+stereo 48000 3", "-c:a pcm_s16le -c:v mpeg4 -movflags +faststart"},
       1.2},
      {{"a.mkv", "picture+stereo 44100 3", "-c:a aac -c:v mpeg4"}, 1.2},
      {{"a.mka", "stereo 44100 3", "-c:a flac"}, 1.2},
      {{"a.webm", "stereo 48000 3", "-c:a libopus"}, 1.2},
      {{"a.wma", "stereo 44100 3", "-c:a wmav2"}, 0.5},
      {{"a.wv", "stereo 44100 3", ""}, 0.6},
      {{"a.tta", "stereo 44100 3", ""}, 1.2}};
  std::vector<MadeFile> files;
  for (const auto& kind : kinds) files.push_back(kind.file);
  files_.Make(files);
  TerminalCapture terminal;
  for (const auto& kind : kinds) {
    const std::string bytes = files_.Bytes(kind.file.name), cut = "cut-" + kind.file.name;
    EXPECT_NO_THROW(Drain(*OpenAudio(files_ / kind.file.name)));
    files_.Write(cut, bytes.substr(0, bytes.size() * 6 / 10));
    const std::string message = Refusal(cut);
    EXPECT_THAT(message, AllOf(HasSubstr(cut), AnyOf(HasSubstr("truncated"), HasSubstr("damaged"),
                                                     HasSubstr("incomplete"))))
        << cut;
    std::smatch match;
    if (std::regex_search(message, match, std::regex("([0-9]+\\.[0-9]+) s"))) {
      EXPECT_NEAR(std::stod(match[1]), 0.6 * kSeconds, kind.slack + 0.1) << message;
    } else {
      EXPECT_TRUE(std::regex_search(message, std::regex("[0-9]+ (of [0-9]+ )?bytes are missing")))
          << cut << ": " << message;
    }
  }
  EXPECT_EQ(terminal.Text(), "");
}

// Where the index was to follow at the end, nothing can be read.
TEST_F(DecodeTruncated, AFileWhoseIndexNeverCameIsAnError) {
  files_.Make({{"a.m4a", "stereo 44100 3", "-c:a aac"},
               {"a.mov", "stereo 48000 3", "-c:a pcm_s16le"},
               {"a.mp4", "picture+stereo 48000 3", "-c:a aac -c:v mpeg4"}});
  for (const char* name : {"a.m4a", "a.mov", "a.mp4"}) {
    const std::string bytes = files_.Bytes(name);
    files_.Write(name, bytes.substr(0, bytes.size() * 6 / 10));
    EXPECT_THAT(Refusal(name), AllOf(HasSubstr(name), HasSubstr("damaged")));
  }
}

// Nobody knows how long they were to be.
TEST_F(DecodeTruncated, ARecordingWhoseLastFrameIsHalfIsWhole) {
  files_.Make(
      {{"a.mp3", "stereo 44100", "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0"},
       {"vbr.mp3", "mono 22050", "-c:a libmp3lame -q:a 4 -write_xing 0 -id3v2_version 0"},
       {"a.aac", "stereo 44100", "-c:a aac"},
       {"mono.aac", "mono 22050", "-c:a aac"},
       {"a.ac3", "stereo 48000", "-c:a ac3"},
       {"a.mp2", "stereo 48000", "-c:a mp2"}});
  std::vector<std::string> cuts;
  for (const std::string name : {"a.mp3", "vbr.mp3", "a.aac", "mono.aac", "a.ac3", "a.mp2"}) {
    const std::string bytes = files_.Bytes(name);
    for (const std::size_t missing : {1, 7, 20, 40}) {
      cuts.push_back("half" + std::to_string(missing) + "-" + name);
      files_.Write(cuts.back(), bytes.substr(0, bytes.size() - missing));
    }
  }
  const std::vector<std::vector<float>> expected = files_.Decode(cuts);
  TerminalCapture terminal;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    try {
      const auto reader = OpenAudio(files_ / cuts[i]);
      const std::vector<float> samples = Drain(*reader);
      EXPECT_EQ(Differences(samples, expected[i], reader->info().channels, 1e-5), "") << cuts[i];
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
  EXPECT_EQ(terminal.Text(), "");
}

// A transport stream or a live matroska has no length either.
TEST_F(DecodeTruncated, ALiveContainerMayEndAnywhere) {
  files_.Make({{"a.ts", "picture+stereo 48000", "-c:a mp2 -c:v mpeg2video"},
               {"source.mka", "stereo 44100", "-c:a flac"}});
  files_.Run("-i source.mka -map 0 -c copy -f matroska - > live.mka");
  for (const std::string name : {"a.ts", "live.mka"}) {
    const std::string bytes = files_.Bytes(name);
    files_.Write("end-" + name, bytes.substr(0, bytes.size() - 100));
    const std::vector<float> expected = files_.Decode({"end-" + name}).front();
    try {
      const std::vector<float> samples = Drain(*OpenAudio(files_ / ("end-" + name)));
      EXPECT_EQ(Differences(samples, expected, 2, 1e-5), "") << name;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

// A stem that ends early is not filled with silence without a word.
TEST_F(DecodeTruncated, AStemFileWhoseStreamsEndAtDifferentTimesIsAnError) {
  const std::string full = "+stereo 44100 3 ", half = "+stereo 44100 1.2 ";
  const auto five = [&](std::size_t early, const std::string& codec, const std::string& name) {
    std::string sources;
    for (std::size_t s = 0; s < 5; ++s) sources += (s == early ? half : full) + std::to_string(s);
    return MadeFile{name, sources.substr(1), codec};
  };
  files_.Make({five(4, "-c:a aac", "last.stem.mp4"), five(0, "-c:a aac", "first.stem.mp4"),
               five(2, "-c:a alac", "middle.stem.mp4"), five(3, "-c:a flac", "a.mka"),
               five(9, "-c:a aac", "whole.stem.mp4")});
  EXPECT_NO_THROW(Drain(*OpenAudio(files_ / "whole.stem.mp4", {.all_streams = true})));
  struct {
    const char* name;
    DecodeOptions options;
  } const cases[] = {{"last.stem.mp4", {.all_streams = true}},
                     {"first.stem.mp4", {.all_streams = true}},
                     {"middle.stem.mp4", {.all_streams = true}},
                     {"a.mka", {.all_streams = true}},
                     {"last.stem.mp4", {.streams = {4, 1}}}};
  for (const auto& c : cases) {
    EXPECT_THAT(Refusal(c.name, c.options), AllOf(HasSubstr(c.name), HasSubstr("1.2"))) << c.name;
    DecodeOptions conceal = c.options;
    conceal.on_damage = OnDamage::kConceal;
    try {
      const auto reader = OpenAudio(files_ / c.name, conceal);
      const std::vector<float> samples = Drain(*reader);
      const std::size_t frames = samples.size() / static_cast<std::size_t>(reader->info().channels);
      EXPECT_NEAR(static_cast<double>(frames), 3 * 44100, 4096) << c.name;
      EXPECT_EQ(reader->damage().size(), 1) << c.name;
      if (reader->damage().empty()) continue;
      EXPECT_NEAR(reader->damage().front().begin_seconds, 1.2, 0.1) << c.name;
      EXPECT_NEAR(reader->damage().front().seconds, 1.8, 0.15) << c.name;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

}  // namespace
}  // namespace stemsmith::testing
