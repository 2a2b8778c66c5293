// Overlap-add alone (the segment function copies): frames per second for four stereo stems.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "separate/overlap_add.h"

namespace {

void OverlapAddFourStems(benchmark::State& state) {
  constexpr std::size_t kSegment = 343980, kPush = 65536;
  stemsmith::OverlapAddOptions options;
  options.segment_frames = kSegment;
  options.overlap = static_cast<double>(state.range(0)) / 100.0;
  options.channels_out = 8;
  std::int64_t frames = 0;
  stemsmith::OverlapAdd overlap_add(
      options,
      [](const stemsmith::AudioBuffer& in, std::size_t, stemsmith::AudioBuffer& out) {
        for (int c = 0; c < out.channels(); ++c) {
          std::copy_n(in.channel(c % in.channels()), in.frames(), out.channel(c));
        }
      },
      [&](const stemsmith::AudioBuffer& out) { benchmark::DoNotOptimize(out.channel(0)); });
  for (auto _ : state) {
    state.PauseTiming();
    const stemsmith::AudioBuffer block(2, kPush);
    state.ResumeTiming();
    overlap_add.Push(block);
    frames += static_cast<std::int64_t>(kPush);
  }
  state.SetItemsProcessed(frames);
}
BENCHMARK(OverlapAddFourStems)->Arg(0)->Arg(25)->Arg(75);

}  // namespace
