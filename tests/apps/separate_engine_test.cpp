// --engine, --precision and compiled models of `separate`, and what `inspect` says of them.
#include "core/cpu.h"
#include "core/files.h"
#include "separate/engine_rule.h"
#include "tests/apps/separate_program.h"
#include "tests/support/openvino.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::FilesBelow;
using testing::ProgramResult;
using testing::SeparateProgram;

class SeparateEngine : public SeparateProgram {
 protected:
  // With a folder of its own for compiled models.
  ProgramResult Run(const std::string& arguments, const std::string& environment = "") {
    return Separate("model.onnx good.wav -o out " + arguments,
                    "unset STEMSMITH_COMPILED_MODELS && XDG_CACHE_HOME='" + (folder_ / "cache").string() + "' " + environment + " ");
  }
};

TEST_F(SeparateEngine, TheResultSaysWhatRan) {
  const ProgramResult result = Run("--json");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("\"engine\":\"onnxruntime\""),
                                HasSubstr("\"precision\":\"float32\"")));
  EXPECT_EQ(FilesBelow(folder_ / "cache").size(), 1u);
  WriteFileAtomically(folder_ / "s.toml", "engine = \"torchscript\"\n");
  const ProgramResult other = Run("--settings s.toml");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, AllOf(HasSubstr("which torchscript does not run"), HasSubstr("model.ts")));
}

TEST_F(SeparateEngine, OpenVinoGivesTheSameStemsAndKeepsTheCompiledModel) {
  STEMSMITH_NEEDS_OPENVINO();
  ASSERT_EQ(Run("").status, 0);
  const std::string expected = ReadFile(folder_ / "out/good/drums.wav");
  for (int i = 0; i < 2; ++i) {
    const ProgramResult result = Run("--engine openvino --json");
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("\"engine\":\"openvino\""));
    EXPECT_EQ(ReadFile(folder_ / "out/good/drums.wav"), expected);
    EXPECT_EQ(FilesBelow(folder_ / "cache").size(), 2u);  // one of each engine
  }
  std::filesystem::remove_all(folder_ / "cache");
  for (const char* arguments : {"", "--engine openvino"}) {
    EXPECT_EQ(Run(arguments, "STEMSMITH_COMPILED_MODELS=").status, 0);
    EXPECT_THAT(FilesBelow(folder_ / "cache"), IsEmpty());
  }
}

TEST_F(SeparateEngine, WithoutOpenVinoTheErrorSaysHowToGetIt) {
  const std::string none = "STEMSMITH_OPENVINO_DIR=" + folder_.path().string();
  const ProgramResult result = Run("--engine openvino", none);
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("error: OpenVINO is not installed"),
                                HasSubstr("pip install"), HasSubstr("STEMSMITH_OPENVINO_DIR")));
  EXPECT_EQ(Run("", none).status, 0);
}

TEST_F(SeparateEngine, WrongNamesAreWrongUse) {
  for (const auto& [arguments, says] :
       {std::pair{"--engine openvno", "did you mean 'openvino'?"},
        {"--precision bf16", "unknown precision 'bf16'"},
        {"--engine ''", "unknown engine ''"},
        {"--engine onnxruntime --precision bfloat16", "does not compute in bfloat16"},
        {"--precision int8", "--precision int8"},
        {"--engine openvino --device cuda", "computes on the CPU"}}) {
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.status, 2) << arguments;
    EXPECT_THAT(result.err, HasSubstr(says));
    EXPECT_THAT(FilesBelow(folder_ / "out"), IsEmpty());
  }
}

TEST_F(SeparateEngine, LowerPrecisionIsSaidInOneLine) {
  if (const std::string problem = Bfloat16Problem(ThisCpu()); !problem.empty()) {
    const ProgramResult result = Run("--precision bfloat16");
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, HasSubstr(problem));
    return;
  }
  STEMSMITH_NEEDS_OPENVINO();
  EXPECT_THAT(Run("--precision bfloat16").err, HasSubstr("was not measured at export"));
  Manifest manifest = testing::TinyManifest();
  manifest.precisions = {{"bfloat16", {{"snr_db", 43.61}}}};
  testing::WriteGainOnnx(folder_ / "model.onnx", manifest, {0.5f, -0.25f});
  const ProgramResult result = Run("--precision bfloat16");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("bfloat16: the stems are those of float32 to 43.6 dB"));
  EXPECT_THAT(Run("--precision bfloat16 --quiet").err, Not(HasSubstr("dB")));
  // Of equal models once.
  std::filesystem::copy_file(folder_ / "model.onnx", folder_ / "equal.onnx");
  const ProgramResult two =
      Separate("-m model.onnx -m equal.onnx good.wav -o out --precision bfloat16");
  EXPECT_EQ(two.status, 0) << two.err;
  EXPECT_EQ(two.err.find("43.6 dB"), two.err.rfind("43.6 dB")) << two.err;
}

TEST_F(SeparateEngine, InspectSaysWhichEngineAndWhy) {
  std::filesystem::copy_file(folder_ / "model.onnx", folder_ / "renamed");
  for (const char* file : {"model.onnx", "renamed"}) {
    const ProgramResult result = testing::RunProgram(STEMSMITH_BIN_DIR "/stemsmith inspect '" +
                                                     (folder_ / file).string() + "'");
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("engine       onnxruntime (no rule has gain in float32"));
  }
}

}  // namespace
}  // namespace stemsmith
