// What each augmentation costs where it acts on all stems, per second of four stereo stems.
//   build/release/bin/bench_augment [--benchmark_filter=reverb]
// The column per_second_of_audio is CPU time with its prefix: 61u is 61 µs of work per second of
// audio. Reading is not in it: remix, mixup and the like only plan here.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "core/error.h"

namespace stemsmith {
namespace {

constexpr int kRate = 44100, kStems = 4, kChannels = 2;
constexpr std::int64_t kSegment = 6 * kRate;

std::vector<float> Noise(std::int64_t count, std::uint64_t seed) {
  RandomStream random({seed});
  std::vector<float> samples(static_cast<std::size_t>(count));
  for (float& sample : samples) sample = static_cast<float>(random.Uniform(-0.5, 0.5));
  return samples;
}

class Epoch : public EpochSamples {
 public:
  std::int64_t size() const override { return 1000; }
  ReadPlan::Piece PieceOf(std::int64_t index, std::size_t) const override {
    return {.track = static_cast<std::size_t>(index) % 100};
  }
  RandomStream SharedStream() const override { return RandomStream({1}); }
};

void Measure(benchmark::State& state, const AugmentationRow& row) {
  const Config all_stems = Config::Parse("per_stem_probability: 1", "benchmark");
  std::unique_ptr<Augmentation> augmentation;
  try {
    augmentation = row.make(all_stems);
  } catch (const Error& error) {
    state.SkipWithError(error.what());
    return;
  }
  const TrackTable tracks(std::vector<std::int64_t>(100, 200 * kRate), kRate);
  const Epoch epoch;
  // Half as much again, for those that read more.
  const std::vector<float> noise = Noise(kSegment * kStems * kChannels * 3 / 2, 1);
  std::vector<float> audio;
  std::uint64_t seed = 0;
  for (auto _ : state) {
    // Fresh audio each time: gains would pile up to zero or infinity.
    state.PauseTiming();
    audio = noise;
    ReadPlan plan{.stems = std::vector<ReadPlan::Piece>(kStems),
                  .frames = kSegment,
                  .epoch = &epoch,
                  .index = static_cast<std::int64_t>(seed % 1000)};
    RandomStream plan_random({seed}), audio_random({seed});
    ++seed;
    state.ResumeTiming();
    augmentation->Plan(plan, tracks, plan_random);
    StemBlock block{.data = audio.data(),
                    .stems = kStems,
                    .channels = kChannels,
                    .frames = plan.frames,
                    .sample_rate_hz = kRate};
    augmentation->Apply(block, audio_random);
    benchmark::ClobberMemory();
  }
  const double seconds = static_cast<double>(state.iterations()) * kSegment / kRate;
  state.counters["per_second_of_audio"] =
      benchmark::Counter(seconds, static_cast<benchmark::Counter::Flags>(
                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert));
}

const int kRegistered = [] {
  for (const AugmentationRow& row : AugmentationTable()) {
    const std::string name = row.name;
    // A fixed number: the fresh audio costs more than most of what is measured.
    const int iterations = name == "pitch_tempo" ? 5 : 20;
    benchmark::RegisterBenchmark(("BM_Augment/" + name).c_str(),
                                 [&row](benchmark::State& state) { Measure(state, row); })
        ->Iterations(iterations)
        ->Unit(benchmark::kMicrosecond);
  }
  return 0;
}();

}  // namespace
}  // namespace stemsmith
