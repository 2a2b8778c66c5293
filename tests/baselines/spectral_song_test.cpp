// Songs separated frame by frame, and in parts.
#include "baselines/spectral_song.h"

#include <gtest/gtest.h>

#include "baselines/parted_song.h"
#include "tests/baselines/baseline_songs.h"

namespace stemsmith {
namespace {

using testing::LargestDifference;
using testing::Noise;
using testing::SongReader;

// Two stems: a quarter and three quarters.
class Shares : public FrameSeparator {
 public:
  void Separate(std::size_t n, std::span<const std::complex<float>> mixture,
                std::span<std::complex<float>> stems) override {
    EXPECT_EQ(n, next_++);
    for (std::size_t i = 0; i < mixture.size(); ++i) {
      stems[i] = 0.25f * mixture[i];
      stems[mixture.size() + i] = 0.75f * mixture[i];
    }
  }

 private:
  std::size_t next_ = 0;
};

TEST(SpectralSong, GivesBackWhatItGotWhateverTheLength) {
  for (const std::size_t frames : {0, 1, 63, 64, 65, 511, 512, 513, 5000}) {
    const AudioBuffer song = Noise(2, frames);
    SpectralSong separated(std::make_unique<SongReader>(song, 44100), {"a", "b"},
                           {.n_fft = 512, .hop = 64}, std::make_unique<Shares>());
    const auto stems = ReadAllStems(separated);
    ASSERT_EQ(stems[0].frames(), frames);
    for (std::size_t i = 0; i < song.samples().size(); ++i) {
      ASSERT_NEAR(stems[0].samples()[i], 0.25f * song.samples()[i], 1e-6);
      ASSERT_NEAR(stems[1].samples()[i], 0.75f * song.samples()[i], 1e-6);
    }
  }
}

// Its one stem is the part itself.
class Copy : public SongSeparator {
 public:
  explicit Copy(const AudioBuffer& part) : reader_(part, 1000) {}
  const AudioInfo& info() const override { return reader_.info(); }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return {}; }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    blocks.resize(1);
    blocks[0].resize(frames * static_cast<std::size_t>(info().channels));
    const std::size_t count = reader_.Read(blocks[0].data(), frames);
    blocks[0].resize(count * static_cast<std::size_t>(info().channels));
    return count;
  }

 private:
  SongReader reader_;
  std::vector<std::string> stems_ = {"song"};
};

// Whose length is not known before its end.
class Endless : public SongReader {
 public:
  using SongReader::SongReader;
  const AudioInfo& info() const override { return info_; }

 private:
  AudioInfo info_ = [this] {
    AudioInfo info = SongReader::info();
    info.frames = info.expected_frames = -1;
    return info;
  }();
};

TEST(PartedSong, IsTheSongWhereThePartsAre) {
  for (const bool known : {true, false}) {
    for (const std::size_t frames : {1, 999, 2000, 2001, 2700, 2701, 3000, 10000}) {
      const AudioBuffer song = Noise(2, frames);
      std::vector<std::size_t> parts;
      std::unique_ptr<AudioReader> reader;
      if (known) {
        reader = std::make_unique<SongReader>(song, 1000);
      } else {
        reader = std::make_unique<Endless>(song, 1000);
      }
      PartedSong parted(std::move(reader), {"song"}, {.seconds = 2, .overlap_seconds = 0.3},
                        [&](const AudioBuffer& part) {
                          parts.push_back(part.frames());
                          return std::make_unique<Copy>(part);
                        });
      const auto stems = ReadAllStems(parted);
      ASSERT_EQ(stems[0].frames(), frames) << known;
      EXPECT_LT(LargestDifference(stems[0], song), 1e-6) << frames;
      for (const std::size_t part : parts) EXPECT_LE(part, 2000u);
      if (known && frames > 2000) {
        for (const std::size_t part : parts) EXPECT_GT(part, 1000u) << frames;
      }
    }
  }
}

// Six channels hold as many samples as stereo three times as long.
TEST(PartedSong, IsShorterForMoreChannels) {
  std::size_t longest = 0;
  PartedSong parted(std::make_unique<SongReader>(Noise(6, 200000), 44100), {"song"},
                    {.seconds = 3, .overlap_seconds = 0.5}, [&](const AudioBuffer& part) {
                      longest = std::max(longest, part.frames());
                      return std::make_unique<Copy>(part);
                    });
  ReadAllStems(parted);
  EXPECT_LE(longest, 44100u);
  EXPECT_GT(longest, 30000u);
}

}  // namespace
}  // namespace stemsmith
