// OpenVINO as a runtime: what it gives, what it keeps, and what is said where it cannot be used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/cpu.h"
#include "core/error.h"
#include "core/files.h"
#include "separate/engine_rule.h"
#include "separate/runtime.h"
#include "tests/support/error_of.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/openvino.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::MessageOf;
using testing::TinyManifest;

constexpr Engine kOv = Engine::kOpenVino;

class OpenVino : public ::testing::Test {
 protected:
  OpenVino() { testing::WriteGainOnnx(Model(), TinyManifest(), {0.3f, -2.0f}); }
  fs::path Model() const { return folder_ / "model.onnx"; }
  fs::path Cache() const { return folder_ / "compiled"; }

  std::unique_ptr<Runtime> Open(RuntimeOptions options = {}) const {
    options.device = "cpu";
    if (options.threads == 0) options.threads = 1;
    return Runtime::Open(Model(), options);
  }
  std::string Refused(RuntimeOptions options, ExitCode code = ExitCode::kWrongUse) const {
    options.threads = 1;
    return MessageOf([&] { Runtime::Open(Model(), options); }, code);
  }
  std::vector<fs::path> Compiled() const {
    std::vector<fs::path> files;
    if (fs::exists(Cache()))
      for (const auto& entry : fs::directory_iterator(Cache())) files.push_back(entry.path());
    return files;
  }

  testing::TemporaryFolder folder_;
};

std::vector<float> Estimates(Runtime& runtime, std::int64_t batch, std::int64_t frames) {
  std::vector<float> mix(static_cast<std::size_t>(batch * 2 * frames));
  for (std::size_t i = 0; i < mix.size(); ++i) mix[i] = 0.37f * static_cast<float>(i % 91) - 11;
  std::vector<float> estimates(mix.size() * 2, NAN);
  runtime.Run(mix.data(), batch, frames, estimates.data());
  return estimates;
}

TEST_F(OpenVino, GivesWhatOnnxRuntimeGivesAtAnySize) {
  STEMSMITH_NEEDS_OPENVINO();
  const auto openvino = Open({.engine = kOv});
  const auto onnxruntime = Open({.engine = Engine::kOnnxRuntime});
  EXPECT_THAT(openvino->description(), HasSubstr("OpenVINO 20"));
  EXPECT_EQ(openvino->engine(), kOv);
  EXPECT_EQ(onnxruntime->engine(), Engine::kOnnxRuntime);
  EXPECT_EQ(openvino->manifest().ToJson(), onnxruntime->manifest().ToJson());
  for (const auto& [batch, frames] : {std::pair{1, 500}, {3, 40}, {1, 7}, {1, 500}})
    EXPECT_EQ(Estimates(*openvino, batch, frames), Estimates(*onnxruntime, batch, frames))
        << batch << " x " << frames;
}

TEST_F(OpenVino, LeavesTheArithmeticOfItsCallersThread) {
  STEMSMITH_NEEDS_OPENVINO();
  const auto runtime = Open({.threads = 2, .engine = kOv, .cache_folder = Cache()});
  volatile float tiny = 1e-39f;
  EXPECT_NE(tiny * 0.5f, 0.0f);
  Estimates(*runtime, 1, 100);
  EXPECT_NE(tiny * 0.5f, 0.0f);
}

TEST_F(OpenVino, CompiledModelsGiveTheSameBits) {
  STEMSMITH_NEEDS_OPENVINO();
  const RuntimeOptions options = {.engine = kOv, .cache_folder = Cache()};
  const std::vector<float> first = Estimates(*Open(options), 1, 44100);
  ASSERT_EQ(Compiled().size(), 1u);
  const fs::path file = Compiled().at(0);
  const auto written = fs::last_write_time(file) - std::chrono::hours(1);
  fs::last_write_time(file, written);
  EXPECT_EQ(Estimates(*Open(options), 1, 44100), first);
  EXPECT_EQ(Compiled().size(), 1u);
  EXPECT_GT(fs::last_write_time(file), written);  // it was used
  // A thing of its own for each length, number of threads and model.
  const auto runtime = Open(options);
  Estimates(*runtime, 1, 22050);
  EXPECT_EQ(Compiled().size(), 2u);
  testing::WriteGainOnnx(Model(), TinyManifest(), {0.5f, -2.0f});
  EXPECT_NE(Estimates(*Open(options), 1, 44100), first);
  EXPECT_EQ(Compiled().size(), 3u);
}

TEST_F(OpenVino, DamagedCompiledModelsAreMadeAgain) {
  STEMSMITH_NEEDS_OPENVINO();
  const RuntimeOptions options = {.engine = kOv, .cache_folder = Cache()};
  const std::vector<float> first = Estimates(*Open(options), 1, 44100);
  const fs::path file = Compiled().at(0);
  const std::string whole = ReadFile(file);
  for (const std::string& damaged : {whole.substr(0, whole.size() / 2), std::string("nothing")}) {
    WriteFileAtomically(file, damaged);
    EXPECT_EQ(Estimates(*Open(options), 1, 44100), first);
    EXPECT_GT(ReadFile(file).size(), damaged.size());  // no two are alike to the byte
  }
  WriteFileAtomically(folder_ / "file", "no folder");
  EXPECT_EQ(Estimates(*Open({.engine = kOv, .cache_folder = folder_ / "file"}), 1, 44100), first);
}

TEST_F(OpenVino, FaultyModelsAreRefusedInOurWords) {
  STEMSMITH_NEEDS_OPENVINO();
  using testing::OnnxFault;
  for (const OnnxFault fault :
       {OnnxFault::kMissingWeights, OnnxFault::kCutOffWeights, OnnxFault::kUnknownOperator,
        OnnxFault::kUnknownInput, OnnxFault::kTwoInputs, OnnxFault::kWholeNumbers}) {
    testing::WriteFaultyOnnx(Model(), fault);
    const std::string said = MessageOf([&] { Estimates(*Open({.engine = kOv}), 1, 8); });
    EXPECT_THAT(said, HasSubstr(Model().string())) << static_cast<int>(fault);
    for (const char* word : {".cpp", "Exception", "\n"}) EXPECT_THAT(said, Not(HasSubstr(word)));
    EXPECT_LT(said.size(), 500u);
  }
}

TEST_F(OpenVino, RefusesAGraphThatContradictsItsManifest) {
  STEMSMITH_NEEDS_OPENVINO();
  testing::WriteGainOnnx(Model(), TinyManifest(3), {1.0f, 1.0f});
  EXPECT_THAT(Refused({.engine = kOv}, ExitCode::kInputFailed), HasSubstr("2 stems"));
}

TEST_F(OpenVino, IsForCpus) {
  EXPECT_THAT(Refused({.device = "cuda", .engine = kOv}), HasSubstr("computes on the CPU"));
}

TEST_F(OpenVino, Bfloat16IsNearFloat32OrRefused) {
  const RuntimeOptions bfloat16 = {.precision = Precision::kBfloat16};
  const std::string problem = Bfloat16Problem(ThisCpu());
  if (!problem.empty()) {
    EXPECT_THAT(Refused(bfloat16), HasSubstr(problem));
    return;
  }
  STEMSMITH_NEEDS_OPENVINO();
  const auto runtime = Open(bfloat16);
  EXPECT_EQ(runtime->precision(), Precision::kBfloat16);
  EXPECT_EQ(runtime->engine(), kOv);
  EXPECT_THAT(runtime->description(), HasSubstr("bfloat16"));
  const std::vector<float> expected = Estimates(*Open(), 1, 500);
  const std::vector<float> actual = Estimates(*runtime, 1, 500);
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], std::abs(expected[i]) / 50);
}

TEST_F(OpenVino, PrecisionsThatAnEngineLacks) {
  EXPECT_THAT(Refused({.engine = Engine::kOnnxRuntime, .precision = Precision::kBfloat16}),
              HasSubstr("does not compute in bfloat16"));
  EXPECT_THAT(Refused({.precision = Precision::kInt8}), HasSubstr("--precision int8"));
  EXPECT_THAT(MessageOf([&] {
                Runtime::Open(folder_.path(), {.precision = Precision::kInt8});
              }),
              HasSubstr("a folder without model.int8.onnx"));
  EXPECT_THAT(Refused({.engine = Engine::kTorchScript}), HasSubstr("which torchscript does not"));
  EXPECT_THAT(MessageOf([&] {
                Runtime::Open(folder_.path(), {.engine = Engine::kTorchScript});
              }),
              HasSubstr("without the file that torchscript runs"));
}

TEST(OpenVinoLibrary, WhatIsSaidOfOtherReleasesAndNone) {
  testing::TemporaryFolder folder;
  const auto none = openvino::FindIn(folder.path());
  EXPECT_EQ(none.api, nullptr);
  EXPECT_EQ(none.problem, "OpenVINO is not installed");
  EXPECT_THAT(none.advice, HasSubstr("pip install"));
  EXPECT_THAT(none.advice, HasSubstr(openvino::kReleases[0].version));
  WriteFileAtomically(folder / "libopenvino_c.so.9999", "x");
  const auto other = openvino::FindIn(folder.path());
  EXPECT_THAT(other.problem, HasSubstr("does not know (libopenvino_c.so.9999)"));
  EXPECT_THAT(other.advice, HasSubstr(openvino::kReleases[0].version));
  const std::string known = std::string("libopenvino_c.so.") + openvino::kReleases[0].number;
  WriteFileAtomically(folder / known, "x");
  EXPECT_THAT(openvino::FindIn(folder.path()).problem, HasSubstr("does not load"));
}

}  // namespace
}  // namespace stemsmith
