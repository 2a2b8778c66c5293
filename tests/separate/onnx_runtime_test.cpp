// What the runtime for ONNX Runtime keeps from one process to the next.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "core/files.h"
#include "separate/onnx_file.h"
#include "separate/optimized_onnx.h"
#include "separate/protobuf.h"
#include "separate/runtime.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/openvino.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using testing::TinyManifest;

class OnnxRuntimeCache : public ::testing::Test {
 protected:
  OnnxRuntimeCache() { testing::WriteJoinedOnnx(Model(), TinyManifest(), {0.3f, -2.0f}); }
  fs::path Model() const { return folder_ / "model.onnx"; }
  fs::path Cache() const { return folder_ / "compiled"; }
  RuntimeOptions Keeping() const {
    return {.device = "cpu",
            .threads = 1,
            .engine = Engine::kOnnxRuntime,
            .cache_folder = Cache()};
  }
  std::vector<float> Estimates(const RuntimeOptions& options, std::int64_t batch = 1,
                               std::int64_t frames = 700) const {
    const auto runtime = Runtime::Open(Model(), options);
    std::vector<float> mix(static_cast<std::size_t>(batch * 2 * frames));
    for (std::size_t i = 0; i < mix.size(); ++i) mix[i] = 0.37f * static_cast<float>(i % 91) - 11;
    std::vector<float> estimates(mix.size() * runtime->stems().size(), NAN);
    runtime->Run(mix.data(), batch, frames, estimates.data());
    return estimates;
  }
  std::vector<fs::path> Kept() const {
    std::vector<fs::path> files;
    if (fs::exists(Cache()))
      for (const auto& entry : fs::directory_iterator(Cache())) files.push_back(entry.path());
    return files;
  }
  // A model of another program, of which a file holds weights large enough to be mapped.
  RuntimeOptions WriteForeign(float gain) const {
    std::vector<float> gains(2 * 700);
    for (std::size_t i = 0; i < gains.size(); ++i) gains[i] = gain + static_cast<float>(i) / 700;
    testing::WriteForeignOnnx(Model(), {.input = {0, 2, 700},
                                        .output = {0, 2, 700},
                                        .gains_shape = {1, 2, 700},
                                        .gains = gains});
    WriteFileAtomically(folder_ / "model.json",
                        R"({"stems": ["vocals"], "sample_rate_hz": 44100})");
    RuntimeOptions options = Keeping();
    options.manifest_file = folder_ / "model.json";
    return options;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(OnnxRuntimeCache, KeptGraphsGiveTheSameBitsAtAnySize) {
  RuntimeOptions keeping_nothing = Keeping();
  keeping_nothing.cache_folder.clear();
  for (const auto& [batch, frames] : {std::pair{1, 700}, {3, 40}, {1, 7}}) {
    const std::vector<float> expected = Estimates(keeping_nothing, batch, frames);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Estimates(Keeping(), batch, frames), expected);
  }
  ASSERT_EQ(Kept().size(), 1u);
  const auto used = fs::last_write_time(Kept()[0]) - std::chrono::hours(1);
  fs::last_write_time(Kept()[0], used);
  Estimates(Keeping());
  EXPECT_GT(fs::last_write_time(Kept()[0]), used);
}

TEST_F(OnnxRuntimeCache, WeightsAndStemsHaveGraphsOfTheirOwn) {
  const std::vector<float> all = Estimates(Keeping());
  RuntimeOptions some = Keeping();
  some.wanted = [](const auto&) { return std::vector<std::string>{"bass"}; };
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(Estimates(some), std::vector<float>(all.begin() + 1400, all.end()));
  EXPECT_EQ(Kept().size(), 2u);
  testing::WriteJoinedOnnx(Model(), TinyManifest(), {0.5f, -2.0f});
  for (int i = 0; i < 2; ++i) EXPECT_NE(Estimates(Keeping()), all);
  EXPECT_EQ(Kept().size(), 3u);
}

TEST_F(OnnxRuntimeCache, WeightsOfOtherProgramsAreMapped) {
  for (const float gain : {1.0f, 2.0f}) {
    RuntimeOptions options = WriteForeign(gain);
    for (int i = 0; i < 2; ++i) {
      const std::vector<float> kept = Estimates(options);
      RuntimeOptions plain = options;
      plain.cache_folder.clear();
      EXPECT_EQ(kept, Estimates(plain));
    }
  }
  EXPECT_EQ(Kept().size(), 2u);
}

// OpenVINO's own cache goes on with the old weights (findings/openvino-cache-keeps-old-weights.sh).
TEST_F(OnnxRuntimeCache, WeightsInOtherFilesCanBeReplaced) {
  WriteFileAtomically(folder_ / "model.json",
                      R"({"stems": ["vocals"], "sample_rate_hz": 44100})");
  for (const Engine engine : {Engine::kOnnxRuntime, Engine::kOpenVino}) {
    if (engine == Engine::kOpenVino) STEMSMITH_NEEDS_OPENVINO();
    RuntimeOptions options = Keeping();
    options.engine = engine;
    const auto estimates = [&](float gain) {
      testing::WriteForeignOnnx(Model(), {.input = {0, 2, 700},
                                          .output = {0, 2, 700},
                                          .gains_shape = {1, 2, 700},
                                          .gains = std::vector<float>(2 * 700, gain),
                                          .gains_file = "weights"});
      return Estimates(options);
    };
    const std::vector<float> once = estimates(1), twice = estimates(2);
    for (std::size_t i = 0; i < once.size(); ++i) ASSERT_EQ(twice[i], 2 * once[i]) << i;
  }
}

TEST_F(OnnxRuntimeCache, DamagedOnesAreMadeAgain) {
  const RuntimeOptions options = WriteForeign(1);
  const std::vector<float> first = Estimates(options);
  const fs::path file = Kept().at(0);
  const std::string whole = ReadFile(file);
  for (const std::string& damaged : {whole.substr(0, whole.size() / 2), std::string("nothing")}) {
    WriteFileAtomically(file, damaged);
    EXPECT_EQ(Estimates(options), first);
    EXPECT_GT(ReadFile(file).size(), damaged.size());
  }
  WriteFileAtomically(folder_ / "file", "no folder");
  RuntimeOptions nowhere = options;
  nowhere.cache_folder = folder_ / "file";
  EXPECT_EQ(Estimates(nowhere), first);
}

TEST_F(OnnxRuntimeCache, SeveralAtOnceMakeOne) {
  const RuntimeOptions options = WriteForeign(1);
  std::vector<std::vector<float>> estimates(4);
  std::vector<std::thread> threads;
  for (auto& own : estimates) threads.emplace_back([&] { own = Estimates(options); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& own : estimates) EXPECT_EQ(own, estimates[0]);
  EXPECT_EQ(Kept().size(), 1u);
}

TEST_F(OnnxRuntimeCache, ModelsThatDoNotOpenLeaveNothing) {
  testing::WriteFaultyOnnx(Model(), testing::OnnxFault::kUnknownOperator);
  EXPECT_ANY_THROW(Runtime::Open(Model(), Keeping()));
  testing::WriteGainOnnx(Model(), TinyManifest(3), {1.0f, 1.0f});
  EXPECT_ANY_THROW(Runtime::Open(Model(), Keeping()));
  EXPECT_TRUE(Kept().empty());
}

TEST_F(OnnxRuntimeCache, GraphsLoseTheirShapes) {
  Estimates(Keeping());
  const std::string entry = ReadFile(Kept().at(0));
  // Without the checksum that the cache adds.
  const std::string_view written =
      std::string_view(entry).substr(0, entry.find("stemsmith.compiled="));
  WriteFileAtomically(folder_ / "graph.onnx", GraphIn(written));
  const GraphTypes types = ReadGraphTypes(folder_ / "graph.onnx");
  ASSERT_EQ(types.inputs.size(), 1u);
  EXPECT_TRUE(types.inputs[0].is_float32);
  EXPECT_TRUE(types.inputs[0].shape.empty());
  EXPECT_TRUE(ReadWeightFiles(folder_ / "graph.onnx").empty());
  EXPECT_EQ(GraphIn("short"), "");
  EXPECT_EQ(GraphIn(std::string(40, 'x')), "");
}

// Of a shape that is joined from parts, ONNX Runtime would know the number of dimensions.
TEST(OptimizedOnnx, PartsOfShapesAreOfUnknownSizes) {
  using namespace protobuf;
  const auto field = [](std::uint64_t number, std::string_view content) {
    std::string out;
    AppendField(out, number, content);
    return out;
  };
  const auto node = [&](const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output) {
    std::string out;
    for (const std::string& input : inputs) out += field(1, input);
    return field(1, out + field(2, output) + field(4, op));
  };
  std::string graph = node("Concat", {"rows", "columns"}, "shape") +
                      node("Reshape", {"x", "shape"}, "y") + node("Add", {"y", "bias"}, "z");
  for (const char* constant : {"rows", "columns", "bias"}) graph += field(5, field(8, constant));
  graph += field(11, field(1, "x"));
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "graph.onnx", field(7, graph));
  AppendGraph(folder / "graph.onnx", folder / "entry");
  WriteFileAtomically(folder / "graph.onnx", GraphIn(ReadFile(folder / "entry")));

  FileBytes file(folder / "graph.onnx");
  std::vector<std::string> inputs;
  ForEachField(file, 0, file.size(), [&](const Field& model) {
    ForEachField(file, model.begin, model.end, [&](const Field& part) {
      if (part.number == 11) inputs.push_back(ContentOf(file, part, 1));
    });
  });
  EXPECT_EQ(inputs, (std::vector<std::string>{"x", "columns", "rows"}));
}

}  // namespace
}  // namespace stemsmith
