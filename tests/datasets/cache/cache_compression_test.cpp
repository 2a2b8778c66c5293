#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "core/files.h"
#include "core/random.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/chunk_codec.h"
#include "datasets/cache/hdf5_file.h"
#include "datasets/cache/track.h"
#include "tests/support/flips.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace cache_compression_tests {

using ::testing::HasSubstr;

constexpr std::size_t kFrames = 200'000;  // several chunks

// [4, kFrames]: a tone with a little noise, which deflates; the last quarter is silent.
std::vector<float> Audio() {
  RandomStream random({3});
  std::vector<float> audio(4 * kFrames, 0.0f);
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t t = 0; t < kFrames * 3 / 4; ++t) {
      const double sample = 0.5 * std::sin(0.01 * t * (row + 1)) + random.Uniform(-0.001, 0.001);
      audio[row * kFrames + t] = static_cast<float>(std::round(sample * 1024) / 1024);
    }
  }
  return audio;
}

class CacheCompressionTest : public ::testing::Test {
 protected:
  void Build(CacheSampleType type, int compression) {
    TrackFormat format;
    format.stems = {"drums", "rest"};
    format.sample_type = type;
    format.compression = compression;
    CacheBuilder builder(path_, format);
    builder.AddTrack("song", "train", audio_);
    builder.Finish();
  }
  std::string DamageOf(const CacheReader& cache, std::int64_t start) {
    std::vector<float> got(4 * 1000);
    try {
      cache.ReadStems(0, start, 1000, got.data());
    } catch (const DamagedAudio& error) {
      return error.what();
    }
    return "(none)";
  }
  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "cache.h5";
  std::filesystem::path track_ = CacheTrackFolder(path_) / "song.h5";
  std::vector<float> audio_ = Audio();
};

TEST_F(CacheCompressionTest, EveryLevelAndTypeGivesTheSameSamplesInLessRoom) {
  for (const CacheSampleType type :
       {CacheSampleType::kInt16, CacheSampleType::kFloat16, CacheSampleType::kFloat32}) {
    Build(type, 0);
    const auto plain_bytes = std::filesystem::file_size(track_);
    const std::string plain_fingerprint = CacheReader(path_).fingerprint();
    for (const int level : {1, 4, 9}) {
      Build(type, level);
      EXPECT_LT(std::filesystem::file_size(track_), plain_bytes * 9 / 10);
      EXPECT_EQ(ReadCacheIndex(path_).tracks[0].compression, level);
      EXPECT_EQ(ReadTrackRecord(track_).compression, level);
      const CacheReader cache(path_);
      EXPECT_EQ(cache.fingerprint(), plain_fingerprint);  // the samples are the same
      std::vector<float> got(4 * kFrames, 9.0f);
      cache.ReadStems(0, 0, kFrames, got.data());
      ASSERT_EQ(got, audio_) << CacheSampleTypeName(type) << " level " << level;
      // Again, from the middle of a chunk on, and stems from places of their own.
      std::vector<float> part(4 * 70'000, 9.0f);
      const StemRead reads[] = {{0, 0, 50'001, part.data()}, {0, 1, 90'007, part.data() + 140'000}};
      cache.ReadStems(reads, 70'000, 70'000);
      for (int row = 0; row < 4; ++row) {
        const std::int64_t start = row < 2 ? 50'001 : 90'007;
        for (std::int64_t t = 0; t < 70'000; ++t)
          ASSERT_EQ(part[row * 70'000 + t], audio_[row * kFrames + start + t]);
      }
    }
  }
}

TEST_F(CacheCompressionTest, ManyThreadsReadAtOnce) {
  Build(CacheSampleType::kInt16, 6);
  const CacheReader cache(path_);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&, n] {
      RandomStream random({static_cast<std::uint64_t>(n)});
      std::vector<float> got(4 * 5000);
      for (int i = 0; i < 20; ++i) {
        const std::size_t start = random.Below(kFrames - 5000);
        cache.ReadStems(0, start, 5000, got.data());
        for (int row = 0; row < 4; ++row) {
          wrong += !std::equal(got.begin() + row * 5000, got.begin() + (row + 1) * 5000,
                               audio_.begin() + row * kFrames + start);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(CacheCompressionTest, DamageIsFoundWhereverItLies) {
  Build(CacheSampleType::kInt16, 6);
  const std::string whole = ReadFile(track_);
  const TrackLayout layout = ReadTrackLayout(track_);
  ASSERT_EQ(layout.sizes.size(), layout.offsets.size());
  const std::uint64_t place = layout.offsets[layout.groups], size = layout.sizes[layout.groups];
  RandomStream random({9});
  for (int round = 0; round < 60; ++round) {
    WriteFileAtomically(track_, whole);
    // The head, the checksum at the end, and anything between.
    const std::uint64_t at = round == 0 ? 0 : round == 1 ? size - 1 : random.Below(size);
    const char flipped = static_cast<char>(whole[place + at] ^ (1 << random.Below(8)));
    if (flipped == whole[place + at]) continue;
    testing::Overwrite(track_, place + at, std::string(1, flipped));
    const CacheReader cache(path_);
    EXPECT_EQ(DamageOf(cache, 0), "(none)");  // the chunk before is well
    const std::string damage = DamageOf(cache, layout.chunk_frames + 10);
    EXPECT_THAT(damage, HasSubstr("a chunk of the cache is damaged")) << "byte " << at;
    EXPECT_THAT(damage, HasSubstr("song \"song\" at 1.5 s"));
    EXPECT_THAT(DamageOf(cache, layout.chunk_frames + 10), HasSubstr("damaged"));  // and again
  }
  // Overwritten as a whole, as by a disk that lost a block.
  testing::Overwrite(track_, place, std::string(size, '\0'));
  EXPECT_THAT(DamageOf(CacheReader(path_), layout.chunk_frames + 10), HasSubstr("damaged"));
}

TEST_F(CacheCompressionTest, DamageAfterTheFirstReadingIsFoundToo) {
  Build(CacheSampleType::kInt16, 6);
  const CacheReader cache(path_);
  const TrackLayout layout = ReadTrackLayout(track_);
  EXPECT_EQ(DamageOf(cache, 10), "(none)");
  testing::Overwrite(track_, layout.offsets[0] + 1000, "damage");
  EXPECT_THAT(DamageOf(cache, 10), HasSubstr("damaged"));
}

TEST_F(CacheCompressionTest, RefusesFiltersThatItsAttributesDoNotTellOf) {
  Build(CacheSampleType::kInt16, 6);
  {
    Hdf5Lock lock;
    const Hdf5Handle file(H5Fopen(track_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    ASSERT_TRUE(file.valid());
    H5Adelete(file.id(), "compression");
  }
  EXPECT_THROW(ReadTrackLayout(track_), Error);
}

TEST(ChunkCodec, ExpandsOnlyWhatFits) {
  RandomStream random({1});
  for (const std::size_t bytes : {2u, 4u}) {
    std::vector<char> chunk(40'000);
    for (char& byte : chunk) byte = static_cast<char>(random.Below(7));
    std::vector<char> packed;
    CompressChunk(chunk, bytes, 6, packed);
    EXPECT_LT(packed.size(), chunk.size() / 2);
    std::vector<char> back(chunk.size());
    EXPECT_TRUE(ExpandChunk(packed, bytes, back));
    EXPECT_EQ(back, chunk);
    std::vector<char> less(chunk.size() - bytes), more(chunk.size() + bytes);
    EXPECT_FALSE(ExpandChunk(packed, bytes, less));
    EXPECT_FALSE(ExpandChunk(packed, bytes, more));
    for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, packed.size() - 1}) {
      EXPECT_FALSE(ExpandChunk({packed.data(), cut}, bytes, back)) << cut;
    }
  }
}

}  // namespace cache_compression_tests
}  // namespace
}  // namespace stemsmith
