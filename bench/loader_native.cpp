// What bench/loader.sh measures of ours, and the bare limit beside it.
//   loader_native make DIR               songs of noise in DIR/cache.h5, the segments of each pass
//   in
//                                        DIR/segments.txt (one "SONG START" a line)
//   loader_native limit|reader DIR       seconds of each pass, a line each
//   loader_native loader DIR THREADS     the same; the passes run on without a break
//   loader_native together DIR THREADS T seconds of all passes together, begun at time T (of `date
//   +%s`)
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/track.h"
#include "datasets/loader/loader.h"
#include "datasets/loader/sampler.h"

namespace stemsmith {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRate = 44100, kStems = 4, kChannels = 2, kColumns = kStems * kChannels;
constexpr int kSongs = 6, kSongSeconds = 60, kBatch = 4, kSamples = 128, kPasses = 6;
constexpr std::int64_t kSegment = 6 * kRate;
constexpr std::int64_t kOutFrames = kSegment * kColumns;

LoaderOptions Options(int threads) {
  return {.segment_frames = kSegment,
          .batch_size = kBatch,
          .samples_per_epoch = kSamples,
          .threads = threads,
          .prefetch_batches = 2};
}

void Make(const std::filesystem::path& folder) {
  CacheBuilder builder(folder / "cache.h5", {.stems = {"drums", "bass", "other", "vocals"},
                                             .sample_rate_hz = kRate,
                                             .channels = kChannels,
                                             .sample_type = CacheSampleType::kInt16});
  std::vector<float> audio(std::size_t{kSongSeconds} * kRate * kColumns);
  for (int song = 0; song < kSongs; ++song) {
    RandomStream random({static_cast<std::uint64_t>(song)});
    for (float& sample : audio) sample = static_cast<float>(random.Uniform(-0.5, 0.5));
    builder.AddTrack("song" + std::to_string(song), "train", audio);
  }
  builder.Finish();
  // The loader's own draws: pass p is its epoch p.
  const LoaderOptions options = Options(1);
  const TrackTable table(std::vector<std::int64_t>(kSongs, std::int64_t{kSongSeconds} * kRate),
                         kRate);
  const Sampler sampler(table, {.segment_frames = kSegment,
                                .batch_size = kBatch,
                                .samples_per_epoch = kSamples,
                                .seed = options.seed});
  std::ofstream list(folder / "segments.txt");
  for (std::uint64_t pass = 0; pass < kPasses; ++pass) {
    for (std::int64_t i = 0; i < kSamples; ++i) {
      const ReadPlan::Piece piece = sampler.Draw(pass, i);
      list << "song" << piece.track << ' ' << piece.start_frame << '\n';
    }
  }
}

struct Segment {
  std::size_t track = 0;
  std::int64_t start = 0;
};
std::vector<Segment> Segments(const std::filesystem::path& folder, const CacheReader& cache) {
  std::map<std::string, std::size_t> numbers;
  for (std::size_t i = 0; i < cache.tracks().size(); ++i) numbers[cache.tracks()[i].name] = i;
  std::vector<Segment> segments;
  std::ifstream list(folder / "segments.txt");
  std::string song;
  for (std::int64_t start = 0; list >> song >> start;)
    segments.push_back({numbers.at(song), start});
  return segments;
}

// Every chunk was read and verified, and lies in the page cache.
void WarmUp(const CacheReader& cache) {
  std::vector<float> out(std::size_t{kRate} * kColumns);
  for (std::size_t track = 0; track < cache.tracks().size(); ++track)
    for (std::int64_t at = 0; at < cache.tracks()[track].frames; at += kRate)
      cache.ReadStems(track, at, kRate, out.data());
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Times `read(segment, out)` over the segments of each pass, into the buffers of a batch in turn.
template <typename Read>
void TimePasses(const std::vector<Segment>& segments, const Read& read) {
  std::vector<float> batch(std::size_t{kBatch} * kOutFrames, 1.0f);
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < kSamples; ++i)
      read(segments[static_cast<std::size_t>(pass * kSamples + i)],
           batch.data() + i % kBatch * kOutFrames);
    std::printf("%.6f\n", SecondsSince(begin));
  }
}

// No less can be done: the bytes are copied out of the page cache and become floats, as they lie.
void MeasureLimit(const std::filesystem::path& folder, const CacheReader& cache) {
  struct File {
    int descriptor;
    TrackLayout layout;
  };
  std::vector<File> files;
  for (const CachedTrack& track : cache.tracks()) {
    const auto path = CacheTrackFolder(folder / "cache.h5") / CacheTrackFileName(track.name);
    files.push_back({open(path.c_str(), O_RDONLY), ReadTrackLayout(path)});
  }
  constexpr std::int64_t kPiece = 8192;
  std::vector<std::int16_t> buffer(std::size_t{kPiece} * kChannels);
  TimePasses(Segments(folder, cache), [&](const Segment& segment, float* out) {
    const auto& [descriptor, layout] = files[segment.track];
    const float scale = static_cast<float>(layout.scale);
    for (std::int64_t at = segment.start; at < segment.start + kSegment;) {
      const std::int64_t chunk = at / layout.chunk_frames, skip = at % layout.chunk_frames;
      // In pieces that the processor's caches hold.
      const std::int64_t n =
          std::min({layout.chunk_frames - skip, segment.start + kSegment - at, kPiece});
      const auto bytes = static_cast<std::size_t>(n) * layout.bytes_per_frame();
      for (int stem = 0; stem < kStems; ++stem) {
        const auto place = layout.offsets[static_cast<std::size_t>(chunk * kStems + stem)] +
                           static_cast<std::uint64_t>(skip) * layout.bytes_per_frame();
        if (pread(descriptor, buffer.data(), bytes, static_cast<off_t>(place)) !=
            static_cast<ssize_t>(bytes))
          throw Error::System("cannot read", "cache");
        const std::int16_t* in = buffer.data();
        for (std::int64_t i = 0; i < n * kChannels; ++i) out[i] = static_cast<float>(in[i]) * scale;
        out += n * kChannels;
      }
      at += n;
    }
  });
}

void MeasureLoader(const CacheReader& cache, int threads) {
  Loader loader(cache, {}, Options(threads));
  loader.Next();  // the buffers exist
  loader.Next();
  loader.Seek({.epoch = 0, .batch = 0});
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < kSamples / kBatch; ++i) loader.Next();
    std::printf("%.6f\n", SecondsSince(begin));
  }
}

void MeasureTogether(const CacheReader& cache, int threads, double start_time) {
  Loader loader(cache, {}, Options(threads));
  for (int i = 0; i < 4; ++i) loader.Next();
  std::this_thread::sleep_until(std::chrono::system_clock::time_point(
      std::chrono::milliseconds(static_cast<std::int64_t>(start_time * 1000))));
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < kPasses * kSamples / kBatch; ++i) loader.Next();
  std::printf("%.6f\n", SecondsSince(begin));
}

}  // namespace
}  // namespace stemsmith

int main(int argc, char** argv) {
  using namespace stemsmith;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() < 2) throw Error::Usage("too few arguments", "loader_native");
    const std::string& mode = arguments[0];
    const std::filesystem::path folder = arguments[1];
    if (mode == "make") {
      Make(folder);
      return 0;
    }
    const CacheReader cache(folder / "cache.h5");
    WarmUp(cache);
    if (mode == "limit") {
      MeasureLimit(folder, cache);
    } else if (mode == "reader") {
      TimePasses(Segments(folder, cache), [&](const Segment& segment, float* out) {
        cache.ReadStems(segment.track, segment.start, kSegment, out);
      });
    } else if (mode == "loader") {
      MeasureLoader(cache, std::stoi(arguments.at(2)));
    } else if (mode == "together") {
      MeasureTogether(cache, std::stoi(arguments.at(2)), std::stod(arguments.at(3)));
    } else {
      throw Error::Usage("unknown mode \"" + mode + "\"", "loader_native");
    }
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
