// separate --manifest.
#include <fstream>

#include "core/files.h"
#include "tests/apps/separate_program.h"

namespace stemsmith {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::FilesBelow;
using testing::ProgramResult;
using testing::Samples;
using testing::SeparateProgram;

class SeparateManifest : public SeparateProgram {
 protected:
  SeparateManifest() {
    testing::WriteForeignOnnx(folder_ / "uvr.onnx", {.input = {0, 4, 512, 33},
                                                     .output = {0, 4, 512, 33},
                                                     .gains = {0.5f}});
    WriteFileAtomically(folder_ / "uvr.json", R"({"stems": ["vocals"], "sample_rate_hz": 44100,
        "input": "spectrum", "stft": {"n_fft": 1024, "hop": 256}, "compensate": 1.25})");
  }
};

TEST_F(SeparateManifest, GivesTheStemAndTheSongWithoutIt) {
  const ProgramResult result =
      Separate("uvr.onnx good.wav --manifest uvr.json --two-stems vocals --bits 32f -o out");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err.find("checksum"), std::string::npos) << result.err;
  EXPECT_THAT(FilesBelow(folder_ / "out"), ElementsAre("good/no_vocals.wav", "good/vocals.wav"));
  const auto song = Samples(folder_ / "good.wav"),
             vocals = Samples(folder_ / "out/good/vocals.wav"),
             rest = Samples(folder_ / "out/good/no_vocals.wav");
  ASSERT_EQ(vocals.size(), song.size());
  float largest = 0;
  for (std::size_t i = 0; i < song.size(); ++i) {
    EXPECT_NEAR(vocals[i] + rest[i], song[i], 1e-6f);
    largest = std::max(largest, std::abs(vocals[i]));
  }
  EXPECT_GT(largest, 0.1f);
}

TEST_F(SeparateManifest, SaysWhatIsMissingAndWhatIsTooMuch) {
  ProgramResult result = Separate("uvr.onnx good.wav -o out");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("carries no stemsmith manifest"), HasSubstr("uvr.onnx"),
                                HasSubstr("--manifest FILE")));
  result = Separate("--model uvr.onnx --model model.onnx good.wav --manifest uvr.json -o out");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("describes one model, not 2"));
  result = Separate("model.onnx good.wav --manifest uvr.json -o out");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("leave --manifest out"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(SeparateManifest, StandsInStepsOfChains) {
  std::filesystem::create_directory(folder_ / "recipes");
  std::filesystem::rename(folder_ / "uvr.json", folder_ / "recipes/uvr.json");
  const auto write = [&](const std::string& text) {
    WriteFileAtomically(folder_ / "recipes/chain.yaml", "steps:\n" + text);
  };
  write("  - {model: uvr.onnx, manifest: uvr.json}\n"
        "  - mix: rest=mixture-vocals\nfiles: [vocals, rest]\n");
  const std::string separate = "--chain recipes/chain.yaml good.wav -o out --bits 32f";
  const ProgramResult result = Separate(separate);
  EXPECT_EQ(result.status, 0) << result.err;
  const auto song = Samples(folder_ / "good.wav"),
             vocals = Samples(folder_ / "out/good/vocals.wav"),
             rest = Samples(folder_ / "out/good/rest.wav");
  ASSERT_EQ(vocals.size(), song.size());
  for (std::size_t i = 0; i < song.size(); ++i) EXPECT_NEAR(vocals[i] + rest[i], song[i], 1e-6f);

  const auto refuse = [&](const std::string& text, const std::string& message) {
    write(text);
    EXPECT_THAT(Separate(separate).err, HasSubstr(message));
  };
  refuse("  - {model: uvr.onnx, manifest: none.json}\n", "none.json");
  refuse("  - {models: [uvr.onnx, uvr.onnx], manifest: uvr.json}\n", "manifest");
  refuse("  - {model: model.onnx, manifest: uvr.json}\n", "chain.yaml:2");
}

TEST_F(SeparateManifest, IsShownByInspect) {
  const ProgramResult result =
      testing::RunProgram("cd '" + folder_.path().string() + "' && " + STEMSMITH_BIN_DIR +
                          "/stemsmith inspect uvr.onnx --manifest uvr.json");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("vocals"), HasSubstr("(8192 frames), fixed"),
                                HasSubstr("1024")));
}

TEST_F(SeparateManifest, IsNeverOverwritten) {
  std::filesystem::create_directory(folder_ / "out");
  std::filesystem::rename(folder_ / "uvr.json", folder_ / "out/vocals.wav");
  const ProgramResult result =
      Separate("uvr.onnx good.wav --manifest out/vocals.wav -o out --name '{stem}.{ext}'");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("vocals.wav"));
  EXPECT_THAT(ReadFile(folder_ / "out/vocals.wav"), HasSubstr("compensate"));
}

}  // namespace
}  // namespace stemsmith
