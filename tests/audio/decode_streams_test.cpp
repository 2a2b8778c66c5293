// Which of several audio streams is read (kind of fault: the first is taken without a word).
#include <gmock/gmock.h>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/audio/decode_table.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DecodeStreams : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
    const std::string two = "stereo 48000 0.8 1+stereo 48000 1.1 2";
    const std::string second = " -disposition:a:0 0 -disposition:a:1 default";
    const std::string names = " -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra";
    files_.Make({{"second.mkv", "picture+" + two, "-c:a aac -c:v mpeg4" + second + names},
                 {"second.mka", two, "-c:a flac" + second + names},
                 {"second.webm", two, "-c:a libopus" + second + names},
                 {"second.mp4", "picture+" + two, "-c:a aac -c:v mpeg4" + second + names},
                 {"second.mov", two, "-c:a pcm_s16le" + second + names},
                 {"first.mkv", two, "-c:a aac -disposition:a:0 default -disposition:a:1 0" + names},
                 {"both.mka", two, "-c:a flac -disposition:a:0 default -disposition:a:1 default"},
                 {"wide.mka", "stereo 48000 0.8 1+5.1 48000 1.1 2",
                  "-c:a flac -disposition:a:0 0 -disposition:a:1 0"},
                 {"plain.ts", two, "-c:a mp2" + names},
                 {"three.mka", two + "+mono 48000 0.9 3",
                  "-c:a flac -disposition:a:0 0 -disposition:a:1 0 -disposition:a:2 default"},
                 {"one.mka", "stereo 48000", "-c:a flac"},
                 {"one.wav", "stereo 48000", ""}});
  }

  // What ffmpeg takes where nobody says which.
  std::vector<float> FfmpegsChoice(const std::string& name) {
    files_.Run("-i " + name + " -vn -f f32le choice.raw");
    const std::string bytes = files_.Bytes("choice.raw");
    std::vector<float> samples(bytes.size() / sizeof(float));
    std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(float));
    return samples;
  }

  MadeFiles files_;
};

TEST_F(DecodeStreams, TheDefaultIsFfmpegs) {
  struct {
    const char* name;
    int stream, streams;
  } const cases[] = {{"second.mkv", 1, 2}, {"second.mka", 1, 2}, {"second.webm", 1, 2},
                     {"second.mp4", 1, 2}, {"second.mov", 1, 2}, {"first.mkv", 0, 2},
                     {"both.mka", 0, 2},   {"wide.mka", 1, 2},   {"plain.ts", 0, 2},
                     {"three.mka", 2, 3},  {"one.mka", 0, 1}};
  for (const auto& c : cases) {
    const auto reader = OpenAudio(files_ / c.name);
    const AudioInfo& info = reader->info();
    EXPECT_EQ(info.stream, c.stream) << c.name;
    EXPECT_EQ(info.streams.size(), static_cast<std::size_t>(c.streams)) << c.name;
    EXPECT_EQ(Differences(Drain(*reader), FfmpegsChoice(c.name), info.channels, 1e-5), "")
        << c.name;
  }
}

TEST_F(DecodeStreams, NumberAndLanguageChoose) {
  for (const std::string name : {"second.mkv", "second.mka", "second.webm", "second.mp4",
                                 "second.mov", "first.mkv", "plain.ts"}) {
    for (int stream = 0; stream < 2; ++stream) {
      const std::vector<float> expected =
          files_.Decode({name}, "a:" + std::to_string(stream)).front();
      const auto by_number = OpenAudio(files_ / name, {.stream = stream});
      EXPECT_EQ(by_number->info().stream, stream);
      EXPECT_EQ(Differences(Drain(*by_number), expected, 2, 1e-5), "") << name << stream;
      DecodeOptions options;
      ChooseStream(stream == 0 ? "ENG" : "fra", "--audio-stream", options);
      const auto by_language = OpenAudio(files_ / name, options);
      EXPECT_EQ(by_language->info().stream, stream) << name;
      EXPECT_EQ(by_language->info().streams.at(static_cast<std::size_t>(stream)).language,
                stream == 0 ? "eng" : "fra");
    }
  }
}

TEST_F(DecodeStreams, WhatIsNotThereIsAnError) {
  const auto error_of = [&](const std::string& name, const DecodeOptions& options) {
    const Error error = ErrorOf([&] { Drain(*OpenAudio(files_ / name, options)); });
    EXPECT_EQ(error.code(), ExitCode::kInputFailed);
    EXPECT_FALSE(error.advice().empty());
    return std::string(error.what());
  };
  for (const char* name : {"second.mkv", "second.mp4", "plain.ts"}) {
    EXPECT_THAT(error_of(name, {.stream = 2}),
                AllOf(HasSubstr("2 audio streams"), HasSubstr(name)));
    EXPECT_THAT(error_of(name, {.language = "jpn"}),
                AllOf(HasSubstr("jpn"), HasSubstr("eng"), HasSubstr("fra"), HasSubstr(name)));
  }
  for (const char* name : {"one.wav", "one.mka"}) {
    EXPECT_THAT(error_of(name, {.stream = 1}), AllOf(HasSubstr("no stream 1"), HasSubstr(name)));
    EXPECT_THAT(error_of(name, {.language = "eng"}), AllOf(HasSubstr("eng"), HasSubstr(name)));
  }
}

TEST_F(DecodeStreams, WhatAUserWritesIsANumberOrALanguage) {
  DecodeOptions options;
  ChooseStream("12", "--audio-stream", options);
  EXPECT_EQ(options.stream, 12);
  for (const char* text : {"", "1x", "-1", "99999999999", "e ng", "1.0"}) {
    EXPECT_THROW(ChooseStream(text, "--audio-stream", options), Error) << text;
  }
}

}  // namespace
}  // namespace stemsmith::testing
