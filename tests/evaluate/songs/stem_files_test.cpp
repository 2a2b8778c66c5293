#include "evaluate/songs/stem_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/encode.h"
#include "tests/evaluate/memory_pair.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using testing::MemoryPair;
using testing::MessageOf;
using testing::RandomAudio;
using testing::RandomPair;

constexpr int kRate = 8000;

class StemFilesTest : public ::testing::Test {
 protected:
  std::filesystem::path Write(const std::string& name, const AudioBuffer& audio, int rate = kRate) {
    EncodeOptions options;
    options.sample_format = SampleFormat::kFloat32;
    WriteAudio(folder_ / name, audio, rate, options);
    return folder_ / name;
  }
  SongFiles Song(const std::filesystem::path& estimate) {
    SongFiles files;
    files.name = "song";
    files.stems = {"bass"};
    files.references = {{Write("reference.wav", audio_), {}}};
    files.estimates = {{estimate, {}}};
    return files;
  }

  testing::TemporaryFolder folder_;
  const AudioBuffer audio_ = RandomAudio(2, 40000, 1);
};

TEST_F(StemFilesTest, ReadsAnyStretchForwardsAndBack) {
  const AudioBuffer other = RandomAudio(2, 40000, 2);
  StemFiles song(Song(Write("estimate.wav", other)));
  EXPECT_EQ(song.frames(), 40000u);
  for (const auto& [begin, end] : std::vector<std::pair<std::size_t, std::size_t>>{
           {0, 10}, {5, 30000}, {29000, 29001}, {100, 200}, {39990, 40000}}) {
    std::vector<float> out(4 * (end - begin));
    song.Read(begin, end, out.data());
    for (int row = 0; row < 4; ++row) {
      const AudioBuffer& from = row < 2 ? audio_ : other;
      EXPECT_TRUE(std::equal(from.channel(row % 2) + begin, from.channel(row % 2) + end,
                             out.data() + static_cast<std::size_t>(row) * (end - begin)))
          << begin << ' ' << row;
    }
  }
}

TEST_F(StemFilesTest, WhatDiffersIsNamedAndAligned) {
  const auto refused = [&](const std::filesystem::path& estimate) {
    const SongFiles song = Song(estimate);
    const std::string message = MessageOf([&] { StemFiles files(song); });
    StemFiles aligned(song, {.align = true});
    EXPECT_EQ(aligned.frames(), 40000u);
    EXPECT_EQ(aligned.channels(), 2);
    std::vector<float> out(4 * 40000);
    aligned.Read(0, 40000, out.data());
    return message;
  };
  EXPECT_THAT(refused(Write("short.wav", RandomAudio(2, 39999, 1))),
              HasSubstr("the length is 39999 frames (5.00 s), but that of"));
  EXPECT_THAT(refused(Write("mono.wav", RandomAudio(1, 40000, 1))),
              HasSubstr("the channel count is 1, but that of"));
  EXPECT_THAT(refused(Write("fast.wav", RandomAudio(2, 80000, 1), 2 * kRate)),
              HasSubstr("the sample rate is 16000 Hz, but that of"));
}

TEST_F(StemFilesTest, DelaysAreRemoved) {
  AudioBuffer late(2, 40000);
  for (int c = 0; c < 2; ++c) std::copy_n(audio_.channel(c), 39500, late.channel(c) + 500);
  const SongFiles files = Song(Write("late.wav", late));
  StemFiles song(files);
  EXPECT_EQ(FindDelay(song, 800), 500);
  StemFiles moved(files, {.align = true, .delay_frames = 500});
  std::vector<float> out(4 * 40000);
  moved.Read(0, 40000, out.data());
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 39500, out.begin() + 2 * 40000));
  EXPECT_EQ(out[3 * 40000 - 1], 0) << "silence behind the end";
  StemFiles early(files, {.align = true, .delay_frames = -20});
  std::vector<float> before(4 * 100);
  early.Read(0, 100, before.data());
  EXPECT_EQ(before[2 * 100 + 19], 0) << "silence before the start";
}

TEST(Delay, IsFoundToTheFrameInSeparatedSongs) {
  MemoryPair song = RandomPair(2, 2, 30000);
  double likeness = 0;
  EXPECT_EQ(FindDelay(song, 441, &likeness), 0);
  EXPECT_GT(likeness, 0.9);
  for (int s = 0; s < 2; ++s) {
    AudioBuffer moved(2, 30000);
    for (int c = 0; c < 2; ++c)
      std::copy_n(song.estimate(s).channel(c) + 123, 30000 - 123, moved.channel(c));
    song.estimate(s) = moved;
  }
  EXPECT_EQ(FindDelay(song, 441, &likeness), -123);
  EXPECT_GT(likeness, 0.9);
}

TEST(Delay, OfAnotherSongIsNone) {
  MemoryPair song({RandomAudio(1, 30000, 1)}, {RandomAudio(1, 30000, 2)});
  double likeness = 1;
  EXPECT_EQ(FindDelay(song, 441, &likeness), 0);
  EXPECT_LT(likeness, 0.1);
  MemoryPair silent({AudioBuffer(1, 3000)}, {AudioBuffer(1, 3000)});
  EXPECT_EQ(FindDelay(silent, 441, &likeness), 0);
  EXPECT_EQ(likeness, 0);
}

}  // namespace
}  // namespace stemsmith
