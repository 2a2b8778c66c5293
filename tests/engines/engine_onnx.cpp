// ONNX Runtime as programs get it: in libstemsmith.so; and OpenVINO, which that loads.
#include "separate/runtime.h"
#include "tests/engines/engine.h"

extern "C" std::vector<float> stemsmith_engine_work(const std::string& folder, int threads) {
  using namespace stemsmith;
  const auto runtime = Runtime::Open(
      folder + "/model.onnx",
      {.device = "cpu", .threads = threads, .engine = STEMSMITH_ENGINE});
  const std::int64_t batch = 2, frames = 50000;
  const std::int64_t channels = runtime->info().channels;
  const std::vector<float> mix = EngineInput(static_cast<std::size_t>(batch * channels * frames));
  std::vector<float> estimates(mix.size() * runtime->info().stems.size());
  runtime->Run(mix.data(), batch, frames, estimates.data());
  std::vector<float> results;
  AddSome(results, estimates.data(), estimates.size());
  return results;
}
