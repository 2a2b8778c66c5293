#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "audio/decode.h"
#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {
namespace fs = std::filesystem;

constexpr int kRateHz = 44100;
constexpr double kFrequencies[] = {220, 440, 880};

EncodeOptions ThreeStreams() {
  return {.format = "stem.mp4",
          .streams = {"mixture", "low", "high"},
          .tags = {{"title", "a song"}, {"artist", "somebody"}}};
}

// A tone a stream, the right channel at half the level, that begins at `onset`.
std::vector<float> Tones(std::size_t frames, std::size_t onset) {
  std::vector<float> samples;
  for (std::size_t t = 0; t < frames; ++t) {
    for (const double hz : kFrequencies) {
      const double phase = 2 * M_PI * hz * static_cast<double>(t - onset) / kRateHz;
      const float value = t < onset ? 0.0f : static_cast<float>(0.4 * std::sin(phase));
      samples.push_back(value);
      samples.push_back(0.5f * value);
    }
  }
  return samples;
}

void Write(const fs::path& path, const std::vector<float>& samples, std::size_t block_frames) {
  AudioWriter writer(path, kRateHz, 2, ThreeStreams());
  const std::size_t frames = samples.size() / 6;
  for (std::size_t t = 0; t < frames; t += block_frames)
    writer.Write(samples.data() + 6 * t, std::min(block_frames, frames - t));
  writer.Finish();
}

class Mp4File : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::HasLibavModule()) GTEST_SKIP() << "needs the libav module";
  }
};

TEST_F(Mp4File, GivesEveryStreamBackWithoutDelay) {
  const testing::TemporaryFolder folder;
  constexpr std::size_t kFrames = 30000, kOnset = 5000;
  const auto samples = Tones(kFrames, kOnset);
  Write(folder / "song.stem.mp4", samples, 777);
  DecodeOptions all;
  all.all_streams = true;
  const auto reader = OpenAudio(folder / "song.stem.mp4", all);
  EXPECT_EQ(reader->info().streams.size(), 3);
  EXPECT_EQ(reader->info().channels, 6);
  EXPECT_EQ(reader->info().sample_rate_hz, kRateHz);
  const AudioBuffer audio = ReadAll(*reader);
  ASSERT_GE(audio.frames(), kFrames);
  EXPECT_LT(audio.frames(), kFrames + 1024);  // padded to a frame of AAC
  for (int c = 0; c < 6; ++c) {
    double error = 0, energy = 0;
    for (std::size_t t = 0; t < kFrames; ++t) {
      const double wanted = samples[6 * t + static_cast<std::size_t>(c)];
      error += std::pow(audio.channel(c)[t] - wanted, 2);
      energy += wanted * wanted;
    }
    // A shift by one sample alone would leave -30 dB at 220 Hz and -18 dB at 880 Hz.
    EXPECT_LT(10 * std::log10(error / energy), -35) << "channel " << c;
  }
}

TEST_F(Mp4File, SameAudioGivesTheSameBytesForAnyBlocks) {
  const testing::TemporaryFolder folder;
  const auto samples = Tones(9000, 100);
  Write(folder / "a.mp4", samples, 500);
  Write(folder / "b.mp4", samples, 4096);
  const std::string bytes = ReadFile(folder / "a.mp4");
  EXPECT_EQ(HashBytes(bytes), HashBytes(ReadFile(folder / "b.mp4")));
  for (const char* text : {"mixture", "low", "high", "a song", "somebody"})
    EXPECT_NE(bytes.find(text), std::string::npos) << text;
  EXPECT_EQ(bytes.find("Lavf"), std::string::npos);  // no version of libav
}

TEST_F(Mp4File, LeavesNothingBehindUnlessFinished) {
  const testing::TemporaryFolder folder;
  const auto samples = Tones(5000, 0);
  {
    AudioWriter writer(folder / "song.mp4", kRateHz, 2, ThreeStreams());
    writer.Write(samples.data(), 5000);
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
  AudioWriter empty(folder / "song.mp4", kRateHz, 2, ThreeStreams());
  EXPECT_THROW(empty.Finish(), Error);
}

TEST_F(Mp4File, RefusesWhatAacCannotHold) {
  const testing::TemporaryFolder folder;
  for (const int channels : {0, 9})
    EXPECT_THROW(AudioWriter(folder / "song.mp4", kRateHz, channels, ThreeStreams()), Error);
  EncodeOptions nothing = ThreeStreams();
  nothing.streams.clear();
  EXPECT_THROW(AudioWriter(folder / "song.mp4", kRateHz, 2, nothing), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_THROW(AudioWriter("/proc/song.mp4", kRateHz, 2, ThreeStreams()), Error);
}

TEST_F(Mp4File, RefusesSamplesThatAreNoNumbers) {
  const testing::TemporaryFolder folder;
  AudioWriter writer(folder / "song.mp4", kRateHz, 2, ThreeStreams());
  std::vector<float> bad(6 * 3000, std::nanf(""));
  EXPECT_THROW(
      {
        writer.Write(bad.data(), 3000);
        writer.Finish();
      },
      Error);
}

TEST_F(Mp4File, FullDiskIsAnErrorAndLeavesNothing) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "full.mp4";
  testing::ExpectFullDiskIsAnError(path, [&] { Write(path, Tones(3 * kRateHz, 0), 4096); });
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace stemsmith
