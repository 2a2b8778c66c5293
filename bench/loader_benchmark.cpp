// The loader on 6 s × 4 stems stereo from int16.
//   build/release/bin/bench_loader [--benchmark_filter=Loader]
// The cache lies in the page cache: this measures conversion and augmentation, not the disk.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/cache.h"
#include "datasets/loader/loader.h"

namespace stemsmith {
namespace {

constexpr int kRate = 44100, kStems = 4, kChannels = 2, kBatch = 4;
constexpr std::int64_t kSegment = 6 * kRate;

std::vector<float> Noise(std::int64_t count, std::uint64_t seed) {
  RandomStream random({seed});
  std::vector<float> samples(static_cast<std::size_t>(count));
  for (float& sample : samples) sample = static_cast<float>(random.Uniform(-0.5, 0.5));
  return samples;
}

// Four songs of 30 s, removed at the end of the program.
class SmallCache {
 public:
  static const CacheReader& Get() {
    static const SmallCache cache;
    return *cache.reader_;
  }

 private:
  SmallCache() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "stemsmith-bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = pattern;
    CacheBuilder builder(folder_ / "cache.h5", {.stems = {"drums", "bass", "other", "vocals"},
                                                .sample_rate_hz = kRate,
                                                .channels = kChannels,
                                                .sample_type = CacheSampleType::kInt16});
    for (std::uint64_t i = 0; i < 4; ++i)
      builder.AddTrack("song" + std::to_string(i), "train",
                       Noise(std::int64_t{30} * kRate * kStems * kChannels, i));
    builder.Finish();
    reader_ = std::make_unique<CacheReader>(folder_ / "cache.h5");
  }
  ~SmallCache() {
    reader_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path folder_;
  std::unique_ptr<CacheReader> reader_;
};

AugmentChain ChainOf(const std::string& list) {
  const Config config = Config::Parse("augment: " + list, "benchmark");
  return AugmentChain(config.List("augment"));
}

void MeasureLoader(benchmark::State& state, const std::string& augment) {
  const CacheReader& cache = SmallCache::Get();
  LoaderOptions options;
  options.segment_frames = kSegment;
  options.batch_size = kBatch;
  options.samples_per_epoch = 1024;
  options.threads = static_cast<int>(state.range(0));
  Loader loader(cache, ChainOf(augment), options);
  // Past the first reading of each chunk (which checks its hash) and the making of the buffers.
  for (int i = 0; i < 16; ++i) loader.Next();
  for (auto _ : state) benchmark::DoNotOptimize(loader.Next()->mix.data());
  const auto samples = static_cast<double>(state.iterations()) * kBatch;
  state.counters["samples/s"] = benchmark::Counter(samples, benchmark::Counter::kIsRate);
  // int16 bytes of the segments delivered, whatever was read to get them.
  state.counters["bytes/s"] =
      benchmark::Counter(samples * kStems * kChannels * kSegment * 2, benchmark::Counter::kIsRate);
}

void BM_LoaderNext(benchmark::State& state) { MeasureLoader(state, "[]"); }
void BM_LoaderNextGain(benchmark::State& state) { MeasureLoader(state, "[{name: gain}]"); }
void BM_LoaderNextShift(benchmark::State& state) { MeasureLoader(state, "[{name: shift}]"); }
void BM_LoaderNextStandard(benchmark::State& state) {
  MeasureLoader(
      state,
      "[{name: remix, probability: 0.5}, {name: shift}, {name: gain}, {name: channel_swap},"
      " {name: polarity}]");
}
// configs/augment/demucs.yaml without pitch_tempo, which bench_augment measures by itself.
void BM_LoaderNextDemucs(benchmark::State& state) {
  MeasureLoader(state,
                "[{name: remix_batch}, {name: shift, max_seconds: 0.5}, {name: channel_swap},"
                " {name: polarity}, {name: gain, factor: [0.25, 1.25]}]");
}
BENCHMARK(BM_LoaderNext)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_LoaderNextGain)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_LoaderNextShift)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_LoaderNextDemucs)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_LoaderNextStandard)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace stemsmith
