// Caches that are damaged, cut off, of another version or of somebody else: one clear error each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/files.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/hdf5_file.h"
#include "datasets/cache/track.h"
#include "tests/datasets/cache/cache_fixture.h"

namespace stemsmith {
namespace {

using namespace cache_fixture;
using ::testing::AllOf;
using ::testing::HasSubstr;

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
  std::filesystem::remove_all(CacheTrackFolder(path_));
  EXPECT_THAT(MessageOf(open),
              HasSubstr("move " + CacheTrackFolder(path_).filename().string() + " here too"));
  WriteFileAtomically(path_, index_bytes.substr(0, index_bytes.size() / 2));
  EXPECT_THAT(MessageOf(open), HasSubstr("cut off"));
  WriteFileAtomically(path_, "this is a text");
  EXPECT_THAT(MessageOf(open), HasSubstr("a text file, not a cache"));
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
  EXPECT_FALSE(ReadReplaceableIndex(path_));  // prepare makes it again
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

}  // namespace
}  // namespace stemsmith
