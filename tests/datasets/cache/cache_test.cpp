// What a cache gives back: samples, levels, names; many threads and many tracks.
#include "datasets/cache/cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "core/files.h"
#include "core/random.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/track.h"
#include "tests/datasets/cache/cache_fixture.h"

namespace stemsmith {
namespace {

using namespace cache_fixture;

TEST_F(CacheTest, GivesBackWhatWasWrittenAcrossChunksAndBeyondTheEnds) {
  const std::size_t frames = 200'000;  // several chunks of 65536 frames
  for (const CacheSampleType type : kAllTypes) {
    const std::vector<float> audio = NoiseFor(type, 4, frames, 1);
    CacheBuilder builder(path_, Format(type));
    builder.AddTrack("a song", "train", audio);
    builder.Finish();
    const CacheReader cache(path_);
    ASSERT_EQ(cache.tracks().size(), 1u);
    EXPECT_EQ(cache.tracks()[0].frames, static_cast<std::int64_t>(frames));
    for (const auto& [start, count] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1000},
                                                            {65'000, 2000},
                                                            {60'000, 140'000},
                                                            {-500, 1000},
                                                            {199'900, 300},
                                                            {300'000, 50},
                                                            {-100, 50},
                                                            {-7, 200'020}}) {
      std::vector<float> got(4 * count, 9.0f), stem(2 * count, 9.0f);
      cache.ReadStems(0, start, count, got.data());
      cache.ReadStem(0, 1, start, count, stem.data());
      for (int row = 0; row < 4; ++row) {
        for (std::int64_t t = 0; t < count; ++t) {
          const std::int64_t at = start + t;
          const bool inside = at >= 0 && at < static_cast<std::int64_t>(frames);
          const float want = inside ? audio[row * frames + at] : 0.0f;
          ASSERT_EQ(got[row * count + t], want) << "row " << row << " frame " << at;
          if (row >= 2) {
            ASSERT_EQ(stem[(row - 2) * count + t], want) << "frame " << at;
          }
        }
      }
    }
  }
}

TEST_F(CacheTest, ReadsStemsFromPlacesOfTheirOwnAndTheirSum) {
  const std::size_t frames = 200'000;
  for (const CacheSampleType type : kAllTypes) {
    for (const int stems : {1, 3, 5}) {
      TrackFormat format = Format(type);
      format.stems.clear();
      for (int s = 0; s < stems; ++s) format.stems.push_back("stem " + std::to_string(s));
      const std::vector<float> audio = NoiseFor(type, 2 * stems, frames, 7);
      CacheBuilder builder(path_, format);
      builder.AddTrack("song", "train", audio);
      builder.Finish();
      const CacheReader cache(path_);
      RandomStream random({static_cast<std::uint64_t>(stems)});
      for (int round = 0; round < 12; ++round) {
        const std::int64_t count = round % 3 == 0 ? 70'001 : 1 + random.Below(3000);
        const std::int64_t row_length = count + round % 2;
        std::vector<float> got(2 * stems * row_length, 9.0f), sum(2 * row_length, 9.0f);
        std::vector<StemRead> reads;
        const std::int64_t base = static_cast<std::int64_t>(random.Below(frames)) - 1000;
        for (int s = 0; s < stems; ++s) {
          // Some together, some a little apart, some far or outside.
          const std::int64_t shift[] = {0, 0, 900, 70'000, -250'000};
          const float factor[] = {1.0f, -1.0f, 0.375f};
          reads.push_back({.stem = static_cast<std::size_t>(s),
                           .start = base + shift[random.Below(5)],
                           .out = got.data() + 2 * s * row_length,
                           .factor = factor[random.Below(3)],
                           .swapped = random.Below(2) == 1});
        }
        cache.ReadStems(reads, count, row_length, sum.data());
        for (std::int64_t t = 0; t < row_length; ++t) {
          float sums[2] = {0.0f, 0.0f};
          for (int row = 0; row < 2 * stems; ++row) {
            const StemRead& read = reads[row / 2];
            const std::int64_t at = read.start + t;
            const int from = read.swapped ? row ^ 1 : row;
            const bool inside = at >= 0 && at < static_cast<std::int64_t>(frames);
            float want = inside ? audio[from * frames + at] * read.factor : 0.0f;
            if (t >= count) want = 9.0f;  // between the rows
            ASSERT_EQ(got[row * row_length + t], want)
                << stems << " stems, row " << row << ", frame " << at;
            sums[row % 2] += want;
          }
          for (int c = 0; c < 2; ++c)
            ASSERT_EQ(sum[c * row_length + t], t < count ? sums[c] : 9.0f);
        }
      }
    }
  }
}

TEST_F(CacheTest, KnowsTheLevelOfEachStemInEachSecond) {
  TrackFormat format = Format();
  format.sample_rate_hz = 1000;
  // 2.5 s. Stem 0: left channel alone, half of the first second. Stem 1: the end.
  std::vector<float> audio(4 * 2500, 0.0f);
  std::fill_n(audio.begin(), 500, 0.5f);
  std::fill_n(audio.begin() + 2 * 2500 + 2000, 500, 0.25f);
  std::fill_n(audio.begin() + 3 * 2500 + 2000, 500, 0.25f);
  CacheBuilder builder(path_, format);
  builder.AddTrack("song", "train", audio);
  builder.Finish();
  const CacheReader cache(path_);
  const std::vector<float> levels = cache.ReadLevels(0);
  ASSERT_EQ(levels.size(), 6u);
  EXPECT_NEAR(levels[0], 10 * std::log10(0.25 / 4), 1e-4);
  EXPECT_NEAR(levels[5], 20 * std::log10(0.25), 1e-4);
  for (const int silent : {1, 2, 3, 4}) EXPECT_EQ(levels[silent], kLowestRmsDb);
}

TEST_F(CacheTest, OpensATrackOnceForManyThreadsAndTriesAgainAfterAnError) {
  CacheBuilder builder(path_, Format());
  builder.AddTrack("song", "train", Noise(4, 1000, 1));
  builder.Finish();
  const auto file = CacheTrackFolder(path_) / "song.h5";
  const std::string bytes = ReadFile(file);
  const CacheReader cache(path_);
  const auto read_by_all = [&] {
    std::atomic<int> damaged = 0;
    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) {
      threads.emplace_back([&] {
        std::vector<float> got(4 * 100);
        try {
          cache.ReadStems(0, 0, 100, got.data());
        } catch (const DamagedAudio&) {
          ++damaged;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return damaged.load();
  };
  WriteFileAtomically(file, bytes.substr(0, 100));
  EXPECT_EQ(read_by_all(), 4);
  WriteFileAtomically(file, bytes);
  EXPECT_EQ(read_by_all(), 0);
}

TEST_F(CacheTest, ScalesTracksBeyondFullScaleInsteadOfClipping) {
  std::vector<float> audio = Noise(4, 3000, 2);
  for (float& sample : audio) sample *= 2.5f;
  CacheBuilder builder(path_, Format());
  builder.AddTrack("loud", "train", audio);
  builder.Finish();
  const CacheReader cache(path_);
  std::vector<float> got(audio.size());
  cache.ReadStems(0, 0, 3000, got.data());
  for (std::size_t i = 0; i < audio.size(); ++i) ASSERT_NEAR(got[i], audio[i], 2.3 / 65534 + 1e-6);
}

TEST_F(CacheTest, ScalesHalvesOnlyBeyondTheirRange) {
  std::vector<float> audio = NoiseFor(CacheSampleType::kFloat16, 4, 3000, 2);
  for (const float gain : {2.0f, 65536.0f * 8}) {
    std::vector<float> loud = audio;
    for (float& sample : loud) sample *= gain;
    CacheBuilder builder(path_, Format(CacheSampleType::kFloat16));
    builder.AddTrack("loud", "train", loud);
    builder.Finish();
    EXPECT_EQ(ReadTrackLayout(CacheTrackFolder(path_) / "loud.h5").scale == 1.0, gain == 2.0f);
    const CacheReader cache(path_);
    std::vector<float> got(audio.size());
    cache.ReadStems(0, 0, 3000, got.data());
    for (std::size_t i = 0; i < loud.size(); ++i) {
      // Eleven binary places of the number.
      if (gain == 2.0f) {
        ASSERT_EQ(got[i], loud[i]);
      } else {
        ASSERT_NEAR(got[i], loud[i], std::abs(loud[i]) / 2048 + 1e-3);
      }
    }
  }
}

TEST_F(CacheTest, KeepsNoRoomForSilentChunksAndReadsThemAsSilence) {
  const std::size_t frames = 4 * 65'536;
  std::vector<float> audio(4 * frames, 0.0f);
  audio[2 * 65'536 + 5] = 0.5f;  // only the third chunk of the first stem sounds
  CacheBuilder builder(path_, Format());
  builder.AddTrack("sparse", "train", audio);
  builder.Finish();
  EXPECT_LT(std::filesystem::file_size(CacheTrackFolder(path_) / "sparse.h5"), 300'000u);
  const CacheReader cache(path_);
  std::vector<float> got(4 * frames, 9.0f);
  cache.ReadStems(0, 0, frames, got.data());
  EXPECT_EQ(got, audio);
}

TEST_F(CacheTest, KnowsSplitsLevelsAndAFingerprintOfTheSamples) {
  const auto build = [&](float level) {
    CacheBuilder builder(path_, Format());
    std::vector<float> audio(4 * 1000, 0.0f);
    std::fill_n(audio.begin(), 2000, level);
    builder.AddTrack("b", "train", audio);
    builder.AddTrack("a", "valid", audio);
    builder.Finish();
    const CacheReader cache(path_);
    EXPECT_EQ(cache.TracksOf("train"), std::vector<std::size_t>{0});
    EXPECT_EQ(cache.TracksOf("valid"), std::vector<std::size_t>{1});
    EXPECT_TRUE(cache.TracksOf("test").empty());
    EXPECT_NEAR(cache.tracks()[0].rms_db[0], 20 * std::log10(level), 1e-6);
    EXPECT_EQ(cache.tracks()[0].rms_db[1], kLowestRmsDb);
    return cache.fingerprint();
  };
  const std::string half = build(0.5f);
  EXPECT_EQ(half, build(0.5f));
  EXPECT_NE(half, build(0.25f));
}

TEST_F(CacheTest, ManyThreadsReadTheSameSamples) {
  const std::size_t frames = 150'000;
  CacheBuilder builder(path_, Format());
  std::vector<std::vector<float>> songs;
  for (int i = 0; i < 5; ++i) {
    songs.push_back(Noise(4, frames, 10 + i));
    builder.AddTrack("song " + std::to_string(i), "train", songs.back());
  }
  builder.Finish();
  const CacheReader cache(path_);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&, n] {
      RandomStream random({static_cast<std::uint64_t>(n)});
      std::vector<float> got(4 * 10'000);
      for (int i = 0; i < 50; ++i) {
        const std::size_t song = random.Below(5), start = random.Below(frames - 10'000);
        cache.ReadStems(song, start, 10'000, got.data());
        for (int row = 0; row < 4; ++row) {
          wrong += !std::equal(got.begin() + row * 10'000, got.begin() + (row + 1) * 10'000,
                               songs[song].begin() + row * frames + start);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(CacheTest, OpensMoreTracksThanFilesMayBeOpen) {
  CacheBuilder builder(path_, Format());
  for (int i = 0; i < 140; ++i) builder.AddTrack("s" + std::to_string(i), "train", Noise(4, 8, i));
  builder.Finish();
  const CacheReader cache(path_);
  std::vector<float> got(4 * 8);
  for (std::size_t i = 0; i < 140; ++i) cache.ReadStems(i, 0, 8, got.data());
  std::size_t open_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    const auto target = std::filesystem::read_symlink(entry.path(), ignored);
    open_files += target.string().find("cache.h5.d") != std::string::npos;
  }
  EXPECT_GT(open_files, 0u);
  EXPECT_LE(open_files, 128u);
}

TEST_F(CacheTest, NamesTracksFitTheFileSystemAndStayApart) {
  std::string longest;
  for (int i = 0; i < 120; ++i) longest += "ä";
  EXPECT_LE(CacheTrackFileName(longest).size(), 210u);
  EXPECT_NE(CacheTrackFileName(longest + "1"), CacheTrackFileName(longest + "2"));
  CacheBuilder builder(path_, Format());
  for (const std::string& name :
       {longest, std::string("it's \"quoted\" & spaced"), std::string("日本")}) {
    builder.AddTrack(name, "train", Noise(4, 100, 1));
  }
  builder.Finish();
  const CacheReader cache(path_);
  std::vector<float> got(4 * 100);
  for (std::size_t i = 0; i < 3; ++i) cache.ReadStems(i, 0, 100, got.data());
  EXPECT_EQ(got, Noise(4, 100, 1));
}

}  // namespace
}  // namespace stemsmith
