// The loader's memory does not grow with the dataset: 20 minutes and 20 hours of four stereo stems,
// whose chunks have places in their files but were never filled, so that they take no disk.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/files.h"
#include "datasets/cache/hdf5_file.h"
#include "datasets/cache/index.h"
#include "datasets/loader/loader.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

constexpr int kRate = 44100, kStems = 4, kChannels = 2, kColumns = kStems * kChannels;
constexpr std::int64_t kSongFrames = std::int64_t{240} * kRate;
constexpr std::int64_t kMemoryMb = 64;

void WriteUnfilledSong(const std::filesystem::path& path) {
  const std::int64_t chunk_frames = ChunkFrames(kChannels * 2);
  const std::vector<char> chunk(static_cast<std::size_t>(chunk_frames * kChannels * 2));
  const std::vector<std::uint64_t> hashes(
      static_cast<std::size_t>((kSongFrames + chunk_frames - 1) / chunk_frames * kStems),
      HashBytes({chunk.data(), chunk.size()}));
  Hdf5Output file(path);
  {
    Hdf5Lock lock;
    const hsize_t shape[2] = {static_cast<hsize_t>(kSongFrames), kColumns};
    const hsize_t chunk_shape[2] = {static_cast<hsize_t>(chunk_frames), kChannels};
    const Hdf5Handle space(H5Screate_simple(2, shape, nullptr), H5Sclose);
    const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(properties.id(), 2, chunk_shape);
    H5Pset_alloc_time(properties.id(), H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(properties.id(), H5D_FILL_TIME_NEVER);
    const Hdf5Handle audio(H5Dcreate2(file.id(), "audio", H5T_STD_I16LE, space.id(), H5P_DEFAULT,
                                      properties.id(), H5P_DEFAULT),
                           H5Dclose);
    ASSERT_TRUE(audio.valid());
    WriteAttribute(file.id(), "format", std::string("stemsmith-track"));
    WriteAttribute(file.id(), "version", std::int64_t{kCacheFormatVersion});
    WriteAttribute(file.id(), "frames", kSongFrames);
    WriteAttribute(file.id(), "sample_type", std::string("int16"));
    WriteAttribute(file.id(), "scale", std::vector<double>{kInt16Step});
    WriteAttribute(file.id(), "checksum", std::string("unfilled"));
    WriteNumbersDataset(file.id(), "chunk_hashes", hashes);
    WriteFloatsDataset(file.id(), "levels_db", std::vector<float>(240 * kStems, -20.0f));
  }
  file.Commit();
}

void WriteCache(const std::filesystem::path& path, int songs) {
  CacheIndex index;
  index.stems = {"drums", "bass", "other", "vocals"};
  for (int i = 0; i < songs; ++i) {
    const std::string name = "song " + std::to_string(i);
    const std::filesystem::path file = CacheTrackFolder(path) / CacheTrackFileName(name);
    WriteUnfilledSong(file);
    TrackRecord record;
    record.name = name;
    record.split = "train";
    record.file = (CacheTrackFolder(path).filename() / file.filename()).string();
    record.frames = kSongFrames;
    record.bytes = std::filesystem::file_size(file);
    record.rms_db.assign(kStems, -20.0);
    record.checksum = "unfilled";
    index.tracks.push_back(std::move(record));
  }
  WriteCacheIndex(path, index);
}

// MiB in memory now ("VmRSS") and at most so far ("VmHWM").
double MemoryMb(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
  return 0;
}

struct Peak {
  double all = 0, grown = 0;  // MiB; grown: since before the cache was opened
};
// Of a process of its own, in which the loader visits every song.
Peak LoaderPeak(const std::filesystem::path& cache_path) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = fork();
  if (child == 0) {
    const double before = MemoryMb("VmRSS");
    {
      const CacheReader cache(cache_path);
      LoaderOptions options;
      options.batch_size = 2;
      options.segment_frames = kRate;  // small batches: what is stated is nearly filled by them
      options.samples_per_epoch = 620;
      options.prefetch_batches = 64;
      options.memory_mb = kMemoryMb;
      options.min_rms_db = -40;
      Loader loader(cache, {}, options);
      // All that may be prefetched is, before the first batch is taken.
      for (double last = 0, now = 1; now > last;) {
        last = MemoryMb("VmRSS");
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        now = MemoryMb("VmRSS");
      }
      for (std::int64_t k = 0; k < loader.batches_per_epoch(); ++k) loader.Next();
    }
    Peak peak{.all = MemoryMb("VmHWM")};
    peak.grown = peak.all - before;
    const bool written = write(ends[1], &peak, sizeof peak) == sizeof peak;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  Peak peak;
  const bool got = read(ends[0], &peak, sizeof peak) == sizeof peak;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!got || status != 0) throw std::runtime_error("the loader's process failed");
  return peak;
}

TEST(LoaderMemory, IsTheSameForTwentyMinutesAndTwentyHours) {
  const testing::TemporaryFolder folder;
  WriteCache(folder / "minutes.h5", 5);
  WriteCache(folder / "hours.h5", 300);
  const Peak minutes = LoaderPeak(folder / "minutes.h5"), hours = LoaderPeak(folder / "hours.h5");
  RecordProperty("minutes_mib", std::to_string(minutes.all));
  RecordProperty("hours_mib", std::to_string(hours.all));
  std::printf("peak memory: 20 minutes %.1f MiB, 20 hours %.1f MiB\n", minutes.all, hours.all);
  EXPECT_LE(hours.all, 1.1 * minutes.all);
  EXPECT_GE(hours.all, 0.9 * minutes.all);
  // What was stated, and a little for HDF5's own structures and the stacks of threads.
  EXPECT_LE(minutes.grown, kMemoryMb + 6);
  EXPECT_LE(hours.grown, kMemoryMb + 6);
  EXPECT_GE(minutes.grown, kMemoryMb / 2);  // it is the batches that were measured
}

}  // namespace
}  // namespace stemsmith
