// Damage to the files of a cache: nothing is read that was not written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/hdf5_file.h"
#include "datasets/cache/track.h"
#include "tests/support/error_of.h"
#include "tests/support/flips.h"
#include "tests/support/heard.h"
#include "tests/support/made_files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using testing::AllDamage;
using testing::Damage;
using ::testing::HasSubstr;
using testing::MessageOf;
using testing::Overwrite;
using testing::TemporaryFolder;
using testing::WithFlips;
using testing::WriteQuickly;

constexpr int kRate = 8000, kStems = 2;
constexpr std::size_t kFrames = 300'000;
constexpr std::size_t kFieldBytes = 40;  // of the checksum at the index's end

// All that training reads of a cache.
struct Content {
  std::vector<float> audio, levels;
  std::string words;
  bool operator==(const Content&) const = default;
};
Content ReadAll(const CacheReader& cache) {
  Content content;
  content.words =
      nlohmann::json({cache.stems(), cache.sample_rate_hz(), cache.channels(), cache.fingerprint()})
          .dump();
  for (std::size_t t = 0; t < cache.tracks().size(); ++t) {
    const CachedTrack& track = cache.tracks()[t];
    content.words += nlohmann::json({track.name, track.split, track.frames, track.rms_db}).dump();
    content.audio.resize(kStems * static_cast<std::size_t>(track.frames));
    cache.ReadStems(t, 0, track.frames, content.audio.data());
    for (const float level : cache.ReadLevels(t)) content.levels.push_back(level);
  }
  return content;
}

class CacheDamage : public ::testing::Test {
 protected:
  // A song with a silent stretch, whose chunks are not in the file.
  void Build(int compression = 0) {
    TrackFormat format;
    format.stems = {"drums", "rest"};
    format.sample_rate_hz = kRate;
    format.channels = 1;
    format.compression = compression;
    std::vector<float> audio(kStems * kFrames);
    for (std::size_t i = 0; i < audio.size(); ++i)
      audio[i] = i > kFrames ? 0.0f : std::floor(3e4f * std::sin(0.01f * i)) / 32768.0f;
    CacheBuilder builder(path_, format);
    builder.AddTrack("song", "train", audio);
    builder.Finish();
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "cache.h5", track_ = folder_ / "cache.h5.d/song.h5";
};

TEST_F(CacheDamage, OfTheIndexIsFoundWhenItIsOpened) {
  Build();
  const std::string sound = ReadFile(path_);
  for (const Damage& damage : AllDamage(sound)) {
    WriteQuickly(path_, damage.bytes);
    EXPECT_NE(MessageOf([&] { CacheReader cache(path_); }), "") << damage.name;
  }
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (const int count : {1, 50}) {
      WriteQuickly(path_, WithFlips(sound, count, seed));
      EXPECT_NE(MessageOf([&] { CacheReader cache(path_); }), "") << count << ", seed " << seed;
    }
  }
  // Preparing again makes it again.
  WriteQuickly(path_, WithFlips(sound, 1, 7));
  EXPECT_FALSE(ReadReplaceableIndex(path_));
  WriteQuickly(path_, sound);
  EXPECT_TRUE(ReadReplaceableIndex(path_));
}

TEST_F(CacheDamage, AnIndexOfAnEarlierVersionOpensWithANote) {
  Build();
  const std::string sound = ReadFile(path_);
  const Content whole = ReadAll(CacheReader(path_));
  const auto told = [&] {
    testing::Heard heard;
    EXPECT_EQ(ReadAll(CacheReader(path_, heard.host().warn)), whole);
    return heard.Take();
  };
  EXPECT_EQ(told(), "");
  WriteQuickly(path_, sound.substr(0, sound.size() - kFieldBytes));
  const std::string note = told();
  EXPECT_THAT(note, HasSubstr("cache.h5 carries no checksum"));
  EXPECT_EQ(std::count(note.begin(), note.end(), '\n'), 1) << note;
}

TEST_F(CacheDamage, OfASongIsFoundOrChangesNothing) {
  for (const int compression : {0, 6}) {
    Build(compression);
    const std::string sound = ReadFile(track_);
    const Content whole = ReadAll(CacheReader(path_));
    const std::string record = ReadTrackRecord(track_).ToJson().dump();
    int refused = 0, doubtful = 0;
    const auto expect_harmless = [&](const std::string& bytes, const std::string& what) {
      WriteQuickly(track_, bytes);
      try {
        EXPECT_TRUE(ReadAll(CacheReader(path_)) == whole) << what;
      } catch (const Error&) {
        ++refused;
      }
      try {  // what preparing again would keep
        EXPECT_EQ(ReadTrackRecord(track_).ToJson().dump(), record) << what;
      } catch (const Error&) {
        ++doubtful;
      }
    };
    // HDF5's own structures and ours, before and behind the audio, are a small part of the file.
    const std::size_t head = 4096, tail = sound.size() - 8192;
    for (std::uint64_t seed = 0; seed < 80; ++seed) {
      const std::string number = ", seed " + std::to_string(seed);
      expect_harmless(WithFlips(sound, 1, seed), "anywhere" + number);
      expect_harmless(WithFlips(sound, 1, seed, 0, head), "head" + number);
      expect_harmless(WithFlips(sound, 1, seed, tail), "tail" + number);
      expect_harmless(WithFlips(sound, 50, seed), "fifty" + number);
    }
    EXPECT_GT(refused, 60);
    EXPECT_GT(doubtful, 10);
  }
}

TEST_F(CacheDamage, OfWhatASongSaysOfItselfIsFound) {
  const auto change = [&](const char* name, const auto& value) {
    Hdf5Lock lock;
    const Hdf5Handle file(H5Fopen(track_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    H5Adelete(file.id(), name);
    WriteAttribute(file.id(), name, value);
  };
  Build();
  const std::string sound = ReadFile(track_), index = ReadFile(path_);
  // The size in the index is that of the changed file, so that nothing but the change is found.
  const auto open = [&] {
    CacheIndex changed = ReadCacheIndex(path_);
    changed.tracks[0].bytes = std::filesystem::file_size(track_);
    WriteCacheIndex(path_, changed);
    ReadAll(CacheReader(path_));
  };
  EXPECT_NO_THROW(open());
  change("scale", std::vector<double>{0.5});
  EXPECT_THAT(MessageOf(open), HasSubstr("does not match its checksum"));
  EXPECT_NE(MessageOf([&] { ReadTrackRecord(track_); }), "");
  for (const char* name : {"rms_db", "recipe_hash"}) {
    WriteQuickly(track_, sound);
    name == std::string("rms_db") ? change(name, std::vector<double>{-3, -4})
                                  : change(name, std::string("0123456789abcdef"));
    EXPECT_THAT(MessageOf([&] { ReadTrackRecord(track_); }), HasSubstr("not what was written"));
    EXPECT_NO_THROW(open());  // training does not ask for it
  }
  WriteQuickly(track_, sound);
  {
    Hdf5Lock lock;
    const Hdf5Handle file(H5Fopen(track_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    H5Ldelete(file.id(), "levels_db", H5P_DEFAULT);
    WriteFloatsDataset(file.id(), "levels_db", std::vector<float>(76, -1.0f));
  }
  EXPECT_THAT(MessageOf(open), HasSubstr("levels do not match"));
}

TEST_F(CacheDamage, IsFoundWhenItHappensAfterTheFirstReading) {
  Build();
  const TrackLayout layout = ReadTrackLayout(track_);
  const std::string sound = ReadFile(track_);
  const Content whole = ReadAll(CacheReader(path_));
  const std::uint64_t places[] = {layout.offsets[0], layout.offsets[0] + 30'000,
                                  layout.offsets[2] + 100'000};
  for (const std::uint64_t place : places) {
    const CacheReader cache(path_);
    EXPECT_TRUE(ReadAll(cache) == whole);
    Overwrite(track_, place, "damage");
    EXPECT_THAT(MessageOf([&] { ReadAll(cache); }), HasSubstr("damaged")) << place;
    // A part of the chunk alone, which is not the damaged one.
    const std::int64_t begin = place == layout.offsets[2] + 100'000 ? 131'072 : 120'000;
    std::vector<float> got(kStems * 100);
    EXPECT_THAT(MessageOf([&] { cache.ReadStems(0, begin, 100, got.data()); }),
                HasSubstr("damaged"))
        << place;
    Overwrite(track_, place, sound.substr(place, 6));  // mended
    EXPECT_TRUE(ReadAll(cache) == whole) << place;
  }
  // Touched without a change.
  const CacheReader cache(path_);
  EXPECT_TRUE(ReadAll(cache) == whole);
  std::filesystem::last_write_time(track_, std::filesystem::file_time_type::clock::now());
  EXPECT_TRUE(ReadAll(cache) == whole);
  // Cut off.
  std::filesystem::resize_file(track_, layout.offsets[0] + 1000);
  EXPECT_NE(MessageOf([&] { ReadAll(cache); }), "");
}

}  // namespace
}  // namespace stemsmith
