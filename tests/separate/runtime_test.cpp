#include "separate/runtime.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using testing::RunProgram;
using testing::TemporaryFolder;
using testing::TinyManifest;

std::string MakeTorchScript(const std::filesystem::path& path, const std::string& arguments) {
  const auto result = RunProgram(std::string(STEMSMITH_BIN_DIR "/make_tiny_torchscript ") +
                                 path.string() + " " + arguments);
  return result.status == 0 ? "" : result.err;
}

std::string OpenError(const std::filesystem::path& path, const RuntimeOptions& options = {}) {
  return testing::MessageOf([&] { Runtime::Open(path, options); });
}

std::vector<float> Run(Runtime& runtime, const std::vector<float>& mix, std::int64_t batch) {
  const Manifest& manifest = runtime.manifest();
  const std::int64_t frames = static_cast<std::int64_t>(mix.size()) / (batch * manifest.channels);
  std::vector<float> estimates(mix.size() * manifest.stems.size(), -1.0f);
  runtime.Run(mix.data(), batch, frames, estimates.data());
  return estimates;
}

// estimates[b][s][c][t] for gains 0.25 and −2: a layout mistake shows.
void ExpectGains(Runtime& runtime) {
  constexpr std::int64_t kBatch = 2, kChannels = 2, kFrames = 5;
  std::vector<float> mix;
  for (int i = 0; i < kBatch * kChannels * kFrames; ++i) mix.push_back(static_cast<float>(i + 1));
  const std::vector<float> out = Run(runtime, mix, kBatch);
  const float gains[] = {0.25f, -2.0f};
  for (int b = 0; b < kBatch; ++b) {
    for (int s = 0; s < 2; ++s) {
      for (int i = 0; i < kChannels * kFrames; ++i) {
        EXPECT_EQ(out[static_cast<std::size_t>((b * 2 + s) * kChannels * kFrames + i)],
                  gains[s] * mix[static_cast<std::size_t>(b * kChannels * kFrames + i)]);
      }
    }
  }
}

TEST(Runtime, LeavesTheArithmeticOfItsCallersThread) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(), {0.25f, -2.0f});
  const auto runtime = Runtime::Open(folder / "model.onnx", {.device = "cpu", .threads = 2});
  volatile float tiny = 1e-39f;  // a denormal, which runtimes take for zero
  EXPECT_NE(tiny * 0.5f, 0.0f);
  ExpectGains(*runtime);
  EXPECT_NE(tiny * 0.5f, 0.0f);
}

TEST(Runtime, RunsOnnxWithDynamicBatchAndLength) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(), {0.25f, -2.0f});
  const auto runtime = Runtime::Open(folder / "model.onnx", {.device = "cpu", .threads = 1});
  EXPECT_EQ(runtime->manifest().stems, (std::vector<std::string>{"drums", "bass"}));
  EXPECT_NE(runtime->description().find("ONNX Runtime"), std::string::npos);
  ExpectGains(*runtime);
}

TEST(Runtime, RunsTorchScriptThroughTheModule) {
  TemporaryFolder folder;
  ASSERT_EQ(MakeTorchScript(folder / "model.ts", "0.25 -2"), "");
  const auto runtime = Runtime::Open(folder / "model.ts", {.device = "cpu", .threads = 1});
  EXPECT_EQ(runtime->manifest().stems, (std::vector<std::string>{"drums", "bass"}));
  EXPECT_NE(runtime->description().find("LibTorch"), std::string::npos);
  ExpectGains(*runtime);
}

TEST(Runtime, IsChosenByContentAndNotByName) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.ts", TinyManifest(1), {1.0f});
  EXPECT_NE(Runtime::Open(folder / "model.ts")->description().find("ONNX Runtime"),
            std::string::npos);
}

TEST(Runtime, SmallerWeightsAreUsedWhereTheyAreAllThatThereIs) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.int8.onnx", TinyManifest(1), {1.0f});
  EXPECT_EQ(ResolveModel(folder.path()), folder / "model.int8.onnx");
  EXPECT_EQ(Runtime::Open(folder.path())->manifest().stems.size(), 1u);
  EXPECT_NE(OpenError(folder.path(), {.engine = Engine::kTorchScript})
                .find("an ONNX model, which torchscript does not run"),
            std::string::npos);
  WriteFileAtomically(folder / "model.float16.onnx", "x");
  EXPECT_NE(OpenError(folder.path())
                .find("name one of them: model.float16.onnx, model.int8.onnx"),
            std::string::npos);
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(1), {1.0f});
  EXPECT_EQ(ResolveModel(folder.path()), folder / "model.onnx");
}

TEST(Runtime, AFolderOfAnExportMeansItsModel) {
  TemporaryFolder folder;
  EXPECT_EQ(ResolveModel(folder.path()), folder.path());
  WriteFileAtomically(folder / "model.ts", "x");
  EXPECT_EQ(ResolveModel(folder.path()), folder / "model.ts");
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(1), {1.0f});
  EXPECT_EQ(ResolveModel(folder.path()), folder / "model.onnx");
  EXPECT_EQ(ResolveModel(folder.path(), "cuda"), folder / "model.ts");
  EXPECT_EQ(ResolveModel(folder / "model.ts"), folder / "model.ts");
  EXPECT_EQ(Runtime::Open(folder.path())->manifest().stems.size(), 1u);
}

TEST(Runtime, SaysWhatIsWrongWithAFile) {
  TemporaryFolder folder;
  EXPECT_NE(OpenError(folder / "missing.onnx").find("does not exist"), std::string::npos);
  EXPECT_NE(OpenError(folder.path()).find("folder"), std::string::npos);
  WriteFileAtomically(folder / "empty.onnx", "");
  EXPECT_NE(OpenError(folder / "empty.onnx").find("empty"), std::string::npos);
  WriteFileAtomically(folder / "text.onnx", "version https://example.org/spec/v1\n");
  EXPECT_NE(OpenError(folder / "text.onnx").find("text file"), std::string::npos);
  testing::WriteOnnxWithoutManifest(folder / "bare.onnx");
  EXPECT_NE(OpenError(folder / "bare.onnx").find("no stemsmith manifest"), std::string::npos);
  WriteFileAtomically(folder / "noise.onnx", std::string("\x01\x02\xff\xfe\x00\x80 noise", 12));
  EXPECT_NE(OpenError(folder / "noise.onnx").find("no ONNX model"), std::string::npos);
}

TEST(Runtime, RefusesOnnxCutOffAnywhere) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(), {0.25f, -2.0f});
  const std::string whole = ReadFile(folder / "model.onnx");
  for (std::size_t size = 1; size < whole.size(); size += 37) {
    WriteFileAtomically(folder / "cut.onnx", whole.substr(0, size));
    EXPECT_NE(OpenError(folder / "cut.onnx"), "") << size << " bytes";
  }
}

TEST(Runtime, RefusesDamagedTorchScriptWithAnErrorOfOurs) {
  TemporaryFolder folder;
  ASSERT_EQ(MakeTorchScript(folder / "model.ts", "0.25 -2"), "");
  const std::string whole = ReadFile(folder / "model.ts");
  for (const std::size_t size : {std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
    WriteFileAtomically(folder / "cut.ts", whole.substr(0, size));
    EXPECT_NE(OpenError(folder / "cut.ts").find("cut off"), std::string::npos) << size << " bytes";
  }
  ASSERT_EQ(MakeTorchScript(folder / "bare.ts", "1 --no-manifest"), "");
  EXPECT_NE(OpenError(folder / "bare.ts").find("no stemsmith manifest"), std::string::npos);
}

TEST(Runtime, RefusesAGraphThatContradictsItsManifest) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "stems.onnx", TinyManifest(3), {1.0f, 1.0f});
  EXPECT_NE(OpenError(folder / "stems.onnx").find("2 stems"), std::string::npos);
}

TEST(Runtime, RefusesUnknownDevicesAndThreads) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(1), {1.0f});
  EXPECT_THROW(Runtime::Open(folder / "model.onnx", {.device = "tpu"}), Error);
  EXPECT_NE(OpenError(folder / "model.onnx", {.threads = -1}).find("-1 compute threads"),
            std::string::npos);
}

}  // namespace
}  // namespace stemsmith
