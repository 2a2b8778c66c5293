#include "datasets/cache/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <functional>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/hdf5_file.h"
#include "datasets/cache/track.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

// [S, C, frames] of numbers that int16 keeps exactly.
std::vector<float> Noise(int rows, std::size_t frames, std::uint64_t seed, float peak = 0.9f) {
  RandomStream random({seed});
  std::vector<float> audio(rows * frames);
  for (float& sample : audio) {
    const double steps = std::floor(random.Uniform(-peak, peak) * 32768.0);
    sample = static_cast<float>(steps / 32768.0);
  }
  return audio;
}

constexpr CacheSampleType kAllTypes[] = {CacheSampleType::kInt16, CacheSampleType::kFloat16,
                                         CacheSampleType::kFloat32};

// Of numbers that the type keeps exactly.
std::vector<float> NoiseFor(CacheSampleType type, int rows, std::size_t frames,
                            std::uint64_t seed) {
  std::vector<float> audio = Noise(rows, frames, seed);
  if (type == CacheSampleType::kFloat16) {
    for (float& sample : audio) sample = std::round(sample * 2048.0f) / 2048.0f;
  }
  return audio;
}

std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

class CacheTest : public ::testing::Test {
 protected:
  TrackFormat Format(CacheSampleType type = CacheSampleType::kInt16) {
    TrackFormat format;
    format.stems = {"drums", "rest"};
    format.sample_type = type;
    return format;
  }
  void Overwrite(const std::filesystem::path& file, std::uint64_t offset,
                 const std::string& bytes) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(offset));
    stream << bytes;
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "cache.h5";
};

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

TEST_F(CacheTest, NamesTheSongAndSecondOfADamagedChunk) {
  const std::size_t frames = 200'000;
  const std::vector<float> audio = Noise(4, frames, 3);
  CacheBuilder builder(path_, Format());
  builder.AddTrack("song", "train", audio);
  builder.Finish();
  const auto file = CacheTrackFolder(path_) / "song.h5";
  const TrackLayout layout = ReadTrackLayout(file);
  Overwrite(file, layout.offsets[2 * layout.groups] + 1000, "damage");
  const CacheReader cache(path_);
  std::vector<float> got(4 * 1000);
  cache.ReadStems(0, 0, 1000, got.data());  // the first chunk is well
  const std::string message = MessageOf([&] { cache.ReadStems(0, 190'000, 1000, got.data()); });
  EXPECT_THAT(message, HasSubstr("damaged"));
  EXPECT_THAT(message, HasSubstr("song \"song\" at 3.0 s"));
}

TEST_F(CacheTest, RefusesCutOffMissingAndForeignFilesWithOneClearError) {
  CacheBuilder builder(path_, Format());
  builder.AddTrack("song", "train", Noise(4, 100'000, 4));
  builder.Finish();
  const auto track = CacheTrackFolder(path_) / "song.h5";
  const std::string index_bytes = ReadFile(path_), track_bytes = ReadFile(track);
  const auto open = [&] { CacheReader cache(path_); };

  EXPECT_THAT(MessageOf([&] { CacheReader cache(track); }), HasSubstr("one track of a cache"));
  WriteFileAtomically(track, track_bytes.substr(0, track_bytes.size() / 2));
  EXPECT_THAT(MessageOf(open), HasSubstr("cut off"));
  EXPECT_THAT(MessageOf([&] { ReadTrackLayout(track); }), HasSubstr("cut off"));
  std::filesystem::remove(track);
  EXPECT_THAT(MessageOf(open), HasSubstr("missing"));
  WriteFileAtomically(path_, index_bytes.substr(0, index_bytes.size() / 2));
  EXPECT_THAT(MessageOf(open), HasSubstr("cut off"));
  WriteFileAtomically(path_, "this is a text");
  EXPECT_THAT(MessageOf(open), HasSubstr("not HDF5"));
  WriteFileAtomically(path_, "");
  EXPECT_THAT(MessageOf(open), HasSubstr("empty"));
  std::filesystem::remove(path_);
  EXPECT_THAT(MessageOf(open), HasSubstr("no such cache"));
}

TEST_F(CacheTest, RefusesATrackThatBelongsToAnotherIndex) {
  const auto build = [&](std::uint64_t seed) {
    CacheBuilder builder(path_, Format());
    builder.AddTrack("song", "train", Noise(4, 1000, seed));
    builder.Finish();
  };
  build(1);
  const std::string old_track = ReadFile(CacheTrackFolder(path_) / "song.h5");
  build(2);
  WriteFileAtomically(CacheTrackFolder(path_) / "song.h5", old_track);
  const CacheReader cache(path_);
  std::vector<float> got(4 * 10);
  EXPECT_THAT(MessageOf([&] { cache.ReadStems(0, 0, 10, got.data()); }),
              HasSubstr("does not belong to its index"));
}

TEST_F(CacheTest, RefusesOtherVersionsAndHdf5FilesOfOthers) {
  const auto write = [&](const std::string& format, std::int64_t version) {
    Hdf5Output file(path_);
    if (!format.empty()) WriteAttribute(file.id(), "format", format);
    WriteAttribute(file.id(), "version", version);
    file.Commit();
  };
  write("stemsmith-cache", kCacheFormatVersion + 1);
  EXPECT_THAT(MessageOf([&] { CacheReader cache(path_); }), HasSubstr("newer stemsmith"));
  EXPECT_THAT(MessageOf([&] { ReadReplaceableIndex(path_); }), HasSubstr("newer stemsmith"));
  write("stemsmith-cache", kCacheFormatVersion - 1);
  EXPECT_THAT(MessageOf([&] { CacheReader cache(path_); }),
              AllOf(HasSubstr("older stemsmith"), HasSubstr("prepare the cache again")));
  EXPECT_FALSE(ReadReplaceableIndex(path_));  // prepare makes it anew
  write("stemsmith-track", kCacheFormatVersion + 1);
  EXPECT_THAT(MessageOf([&] { ReadTrackLayout(path_); }), HasSubstr("newer stemsmith"));
  write("", 1);
  EXPECT_THAT(MessageOf([&] { CacheReader cache(path_); }), HasSubstr("not a stemsmith-cache"));
}

TEST_F(CacheTest, RefusesNumbersInTheIndexThatAreNone) {
  CacheIndex index;
  index.stems = {"drums"};
  index.sample_rate_hz = 44100;
  index.channels = 2;
  TrackRecord track;
  track.name = "song";
  track.file = "cache.h5.d/song.h5";
  track.frames = 1000;
  track.rms_db = {-20};
  index.tracks = {track};
  WriteCacheIndex(path_, index);
  EXPECT_EQ(ReadCacheIndex(path_).tracks.size(), 1u);
  nlohmann::json good;
  {
    Hdf5Lock lock;
    good =
        nlohmann::json::parse(ReadTextDataset(OpenHdf5File(path_, "cache").id(), "index", path_));
  }
  const auto said = [&](const std::string& text) {
    Hdf5Output file(path_);
    WriteAttribute(file.id(), "format", std::string("stemsmith-cache"));
    WriteAttribute(file.id(), "version", std::int64_t{kCacheFormatVersion});
    WriteTextDataset(file.id(), "index", text);
    file.Commit();
    return MessageOf([&] { ReadCacheIndex(path_); });
  };
  const auto with = [&](const char* place, const char* value) {
    nlohmann::json json = good;
    json[nlohmann::json::json_pointer(place)] = nlohmann::json::parse(value);
    return said(json.dump());
  };
  EXPECT_THAT(with("/channels", "2.5"), HasSubstr("'channels' is 2.5, not a whole number"));
  EXPECT_THAT(with("/channels", "4294967298"), HasSubstr("'channels' is 4294967298"));
  EXPECT_THAT(with("/sample_rate_hz", "true"), HasSubstr("'sample_rate_hz' is true"));
  EXPECT_THAT(with("/tracks/0/frames", "1e18"), HasSubstr("'frames' is 1e+18"));
  EXPECT_THAT(with("/tracks/0/frames", "-1"), HasSubstr("'frames' is -1"));
  EXPECT_THAT(with("/tracks/0/bytes", "-1"), HasSubstr("'bytes' is -1"));
  EXPECT_THAT(with("/tracks/0/compression", "99"), HasSubstr("'compression' is 99"));
  EXPECT_THAT(with("/tracks/0/rms_db", "[null]"), HasSubstr("'rms_db' is null"));
  EXPECT_THAT(with("/tracks", "{}"), HasSubstr("'tracks' is a map, not a list"));
  EXPECT_THAT(said("{"), HasSubstr("cannot be read"));
  EXPECT_THAT(said(std::string(100'000, '[') + std::string(100'000, ']')),
              HasSubstr("cannot be read"));
}

// HDF5 rounds fractions, clips what is too large, and fills what is not stored with zeros.
TEST_F(CacheTest, RefusesAttributesAndListsThatAreNotWhatTheySay) {
  Hdf5Lock lock;
  {
    Hdf5Output file(path_);
    WriteAttribute(file.id(), "fraction", std::vector<double>{2.5});
    WriteAttribute(file.id(), "none", std::vector<double>{1.0, std::nan("")});
    WriteAttribute(file.id(), "text", std::string("3"));
    WriteNumbersDataset(file.id(), "plain", {1, 2, 3});
    {
      const hsize_t huge = hsize_t{1} << 27;
      const Hdf5Handle space(H5Screate_simple(1, &huge, nullptr), H5Sclose);
      const Hdf5Handle empty(H5Dcreate2(file.id(), "empty", H5T_STD_U64LE, space.id(), H5P_DEFAULT,
                                        H5P_DEFAULT, H5P_DEFAULT),
                             H5Dclose);
    }
    file.Commit();
  }
  const Hdf5Handle file = OpenHdf5File(path_, "cache");
  for (const char* name : {"fraction", "text", "absent"})
    EXPECT_THAT(MessageOf([&] { ReadIntegerAttribute(file.id(), name, path_); }),
                HasSubstr("damaged"))
        << name;
  EXPECT_THAT(MessageOf([&] { ReadNumbersAttribute(file.id(), "none", path_); }),
              HasSubstr("damaged"));
  EXPECT_THAT(MessageOf([&] { ReadNumbersDataset(file.id(), "empty", path_); }),
              HasSubstr("damaged"));
  EXPECT_EQ(ReadNumbersDataset(file.id(), "plain", path_), (std::vector<std::uint64_t>{1, 2, 3}));
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
