#include "audio/encode.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>

#include "audio/encode_wav.h"
#include "core/error.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

using ::testing::HasSubstr;

std::size_t FilesIn(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

AudioBuffer OneChannel(const std::vector<float>& samples) {
  AudioBuffer audio(1, samples.size());
  std::copy(samples.begin(), samples.end(), audio.channel(0));
  return audio;
}

TEST(AudioWriter, EveryFormatComesBackWithinHalfAStep) {
  TemporaryFolder folder;
  struct Case {
    const char* container;
    SampleFormat format;
    int bits;
    double step;
  };
  for (const Case& c : {Case{"wav", SampleFormat::kInt16, 16, 0x1p-15},
                        Case{"wav", SampleFormat::kInt24, 24, 0x1p-23},
                        Case{"wav", SampleFormat::kFloat32, 32, 0.0},
                        Case{"flac", SampleFormat::kInt16, 16, 0x1p-15},
                        Case{"flac", SampleFormat::kInt24, 24, 0x1p-23}}) {
    for (const int channels : {1, 2, 3}) {
      const AudioBuffer audio = TestTones(channels, 70001, 44100);
      const auto path = folder / (FindFormat(c.container).ending);
      WriteAudio(path, audio, 44100, {c.container, c.format});
      const auto reader = OpenAudio(path);
      EXPECT_EQ(reader->info().bits, c.bits);
      EXPECT_EQ(reader->info().channels, channels);
      EXPECT_EQ(reader->info().sample_rate_hz, 44100);
      EXPECT_EQ(reader->info().frames, 70001);
      const AudioBuffer back = ReadAll(*reader);
      for (std::size_t i = 0; i < audio.samples().size(); ++i) {
        ASSERT_LE(std::abs(static_cast<double>(back.samples()[i]) - audio.samples()[i]),
                  c.step / 2);
      }
    }
  }
}

TEST(AudioWriter, IntegersAreRoundedToNearestAndClippedSamplesCounted) {
  TemporaryFolder folder;
  const std::vector<float> in = {0.0f,  1.4f / 32768, 1.6f / 32768, -1.6f / 32768, 1.0f,
                                 -1.0f, 1.1f,         -1.1f,        1e30f,         0.5f};
  const std::vector<float> expected = {0, 1, 2, -2, 32767, -32768, 32767, -32768, 32767, 16384};
  for (const char* container : {"wav", "flac"}) {
    const auto path = folder / "clip";
    AudioWriter writer(path, 44100, 1, {container, SampleFormat::kInt16});
    writer.Write(in.data(), in.size());
    EXPECT_EQ(writer.clipped_samples(), 3);
    writer.Finish();
    const AudioBuffer back = ReadAll(*OpenAudio(path));
    for (std::size_t i = 0; i < in.size(); ++i) {
      EXPECT_EQ(back.channel(0)[i] * 32768.0f, expected[i]) << i;
    }
  }
}

TEST(AudioWriter, FloatIsNotClipped) {
  TemporaryFolder folder;
  WriteAudio(folder / "a.wav", OneChannel({1.5f, -2.0f}), 44100,
             {.sample_format = SampleFormat::kFloat32});
  const AudioBuffer back = ReadAll(*OpenAudio(folder / "a.wav"));
  EXPECT_EQ(back.channel(0)[0], 1.5f);
  EXPECT_EQ(back.channel(0)[1], -2.0f);
}

TEST(AudioWriter, SameAudioSameBytesHoweverItIsCut) {
  TemporaryFolder folder;
  const AudioBuffer audio = TestTones(2, 30000, 44100);
  std::vector<float> interleaved(audio.samples().size());
  Interleave(audio.samples().data(), 2, 30000, interleaved.data());
  for (const char* container : {"wav", "flac"}) {
    const auto whole = folder / "whole", pieces = folder / "pieces";
    WriteAudio(whole, audio, 44100, {container, SampleFormat::kInt24});
    AudioWriter writer(pieces, 44100, 2, {container, SampleFormat::kInt24});
    for (std::size_t t = 0; t < 30000; t += 123) {
      writer.Write(interleaved.data() + 2 * t, std::min<std::size_t>(123, 30000 - t));
    }
    writer.Finish();
    EXPECT_TRUE(ReadFile(whole) == ReadFile(pieces));
  }
}

TEST(AudioWriter, NothingIsLeftWithoutFinish) {
  TemporaryFolder folder;
  {
    AudioWriter writer(folder / "a.wav", 44100, 1);
    const float sample = 0.5f;
    writer.Write(&sample, 1);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.wav"));
  }
  EXPECT_EQ(FilesIn(folder.path()), 0u);
}

TEST(AudioWriter, RefusesWhatCannotBeWritten) {
  TemporaryFolder folder;
  const EncodeOptions float_flac{"flac", SampleFormat::kFloat32};
  const EncodeOptions flac{"flac", SampleFormat::kInt16};
  EXPECT_THROW(AudioWriter(folder / "a.flac", 44100, 2, float_flac), Error);
  EXPECT_THROW(AudioWriter(folder / "a.flac", 44100, 9, flac), Error);
  EXPECT_THROW(AudioWriter(folder / "a.wav", 44100, 0), Error);
  WriteFileAtomically(folder / "file", "x");
  EXPECT_THROW(AudioWriter(folder / "file" / "a.wav", 44100, 2), Error);
  AudioWriter writer(folder / "a.wav", 44100, 1);
  const float bad = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(writer.Write(&bad, 1), Error);
}

TEST(AudioWriter, FullDiskIsAnErrorAndLeavesNothing) {
  for (const char* container : {"wav", "flac"}) {
    TemporaryFolder folder;
    const auto path = folder / "full";
    ExpectFullDiskIsAnError(path, [&] {
      WriteAudio(path, TestTones(2, 44100, 44100), 44100, {container, SampleFormat::kInt16});
    });
    EXPECT_EQ(FilesIn(folder.path()), 0u);
  }
}

// 5 GB of silence as a hole in the file: a header that 32 bits cannot hold must be RF64.
TEST(AudioWriter, BeyondFourGibibytesTheHeaderIsRf64) {
  TemporaryFolder folder;
  const auto path = folder / "long.wav";
  const std::uint64_t frames = 1'250'000'000;
  const std::string header = WavHeader(44100, 2, SampleFormat::kInt16, 0, frames * 4);
  EXPECT_EQ(header.substr(0, 4), "RF64");
  EXPECT_EQ(header.size(), WavHeader(44100, 2, SampleFormat::kInt16, 0, 0).size());
  EXPECT_EQ(WavHeader(44100, 2, SampleFormat::kInt16, 0, 4'000'000'000).substr(0, 4), "RIFF");
  WriteFileAtomically(path, header);
  std::error_code error;
  std::filesystem::resize_file(path, header.size() + frames * 4, error);
  if (error) GTEST_SKIP() << "no sparse files here: " << error.message();
  const auto reader = OpenAudio(path);
  EXPECT_EQ(reader->info().frames, static_cast<std::int64_t>(frames));
  EXPECT_EQ(reader->info().channels, 2);
  std::filesystem::resize_file(path, header.size() + frames * 4 - 4000, error);
  EXPECT_THROW(OpenAudio(path), Error);
}

}  // namespace
}  // namespace stemsmith::testing
