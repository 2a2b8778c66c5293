// What comparing the checksum adds to opening an .onnx file: the same model with and without one.
//   STEMSMITH_MODEL=DIR/model.onnx build/release/bin/bench_open_model
//     --benchmark_enable_random_interleaving=true --benchmark_repetitions=10
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "separate/manifest.h"
#include "separate/runtime.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

void Open(benchmark::State& state, bool with_checksum) {
  const char* model = std::getenv("STEMSMITH_MODEL");
  if (model == nullptr) return state.SkipWithError("STEMSMITH_MODEL names no model.onnx");
  const testing::TemporaryFolder folder;
  std::string bytes = ReadFile(model);
  if (!with_checksum) bytes.erase(0, kOnnxChecksum.Unfilled().size());
  WriteFileAtomically(folder / "model.onnx", bytes);
  for (auto _ : state)
    benchmark::DoNotOptimize(Runtime::Open(folder / "model.onnx", {.device = "cpu"}));
}
BENCHMARK_CAPTURE(Open, with_checksum, true)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Open, without, false)->Unit(benchmark::kMillisecond)->UseRealTime();

void Hash(benchmark::State& state) {
  const char* model = std::getenv("STEMSMITH_MODEL");
  if (model == nullptr) return state.SkipWithError("STEMSMITH_MODEL names no model.onnx");
  for (auto _ : state) benchmark::DoNotOptimize(CheckChecksum(model, kOnnxChecksum, ""));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(std::filesystem::file_size(model)));
}
BENCHMARK(Hash)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace stemsmith
