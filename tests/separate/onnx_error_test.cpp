// What ONNX Runtime refuses, in our words with the real cause.
#include "separate/onnx_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "separate/runtime.h"
#include "tests/support/error_of.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing::onnx_error_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void ExpectOurWords(const std::string& said) {
  for (const char* word : {"ONNXRuntimeError", ".cc", "::", "/onnxruntime_src", "\n", "FAIL"})
    EXPECT_THAT(said, Not(HasSubstr(word)));
  EXPECT_LT(said.size(), 400u);
}

std::string Said(const std::filesystem::path& path) {
  return MessageOf(
      [&] {
        const auto runtime = Runtime::Open(path, {.device = "cpu", .threads = 1});
        std::vector<float> mix(2 * 8), estimates(2 * 2 * 8);
        runtime->Run(mix.data(), 1, 8, estimates.data());
      },
      ExitCode::kInputFailed);
}

struct Case {
  OnnxFault fault;
  const char* said;
};

TEST(OnnxError, FaultyModels) {
  const Case cases[] = {
      {OnnxFault::kMissingWeights, "the weights of model.onnx are missing"},
      {OnnxFault::kCutOffWeights, "are cut off, or another model's"},
      {OnnxFault::kNewOpset, "opset 999"},
      {OnnxFault::kUnknownOperator, "the operator NoSuchOperator"},
      {OnnxFault::kUnknownInput, "the model's graph is damaged: "},
      {OnnxFault::kTwoInputs, "does not have one input and one output"},
      {OnnxFault::kWholeNumbers, "the model's graph is damaged"},
  };
  for (const Case& test : cases) {
    TemporaryFolder folder;
    WriteFaultyOnnx(folder / "model.onnx", test.fault);
    const std::string said = Said(folder / "model.onnx");
    EXPECT_THAT(said, HasSubstr(test.said));
    EXPECT_THAT(said, HasSubstr(folder.path().string()));
    ExpectOurWords(said);
  }
}

TEST(OnnxError, NamesTheMissingFile) {
  TemporaryFolder folder;
  WriteFaultyOnnx(folder / "model.onnx", OnnxFault::kMissingWeights);
  EXPECT_THAT(Said(folder / "model.onnx"), HasSubstr((folder / "weights.bin").string()));
}

// Messages of 1.31 that no small model brings about.
TEST(OnnxError, Messages) {
  const std::pair<const char*, const char*> loading[] = {
      {"Exception during initialization: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:"
       "359 void* onnxruntime::BFCArena::AllocateRawInternal(size_t) Failed to allocate memory for "
       "requested buffer of size 68719476736\n",
       "out of memory (m.onnx)"},
      {"/onnxruntime_src/onnxruntime/core/platform/posix/env.cc:180 onnxruntime::PosixThread "
       "pthread_create failed, error code: 11 error msg: Resource temporarily unavailable",
       "the system starts no more threads"},
      {"External data path validation failed for initializer: gains. Error: External data path "
       "escapes model directory. External data path: \"../w.bin\"",
       "wants weights from another folder"},
      {"Load model from m.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:256 "
       "onnxruntime::Model::Model(…) Unsupported model IR version: 99, max supported IR version: "
       "13",
       "format version 99"},
      {"tensorprotoutils.cc:1512 ValidateEmbeddedTensorProtoDataSizeAndShape Initializer 'gains' "
       "declares a size of 4398046511104 bytes",
       "weights are not of the size that it says"},
      {"something::else at /x/y.cc:3 nobody can read", "the model's graph is damaged (m.onnx)"},
  };
  for (const auto& [message, said] : loading) {
    EXPECT_THAT(OnnxLoadError(message, false, "m.onnx").what(), HasSubstr(said));
    ExpectOurWords(OnnxLoadError(message, false, "m.onnx").what());
  }
  const std::pair<const char*, const char*> running[] = {
      {"Non-zero status code returned while running Mul node. Name:'' Status Message: "
       "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:359 Failed to allocate memory for "
       "requested buffer of size 68719476736",
       "out of memory"},
      {"Got invalid dimensions for output: estimates for the following indices\n index: 1 Got: 2 "
       "Expected: 3",
       "does not give what its manifest says"},
      {"CUDA failure 700: an illegal memory access was encountered ; GPU=0", "the GPU fails"},
  };
  for (const auto& [message, said] : running) {
    EXPECT_THAT(OnnxRunError(message, "m.onnx").what(), HasSubstr(said));
    ExpectOurWords(OnnxRunError(message, "m.onnx").what());
  }
}

}  // namespace
}  // namespace stemsmith::testing::onnx_error_test
