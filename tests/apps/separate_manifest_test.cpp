// separate --manifest, and manifests that lie beside their models.
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
    WriteFileAtomically(folder_ / "mdx.json", R"({"stems": ["vocals"], "sample_rate_hz": 44100,
        "input": "spectrum", "stft": {"n_fft": 1024, "hop": 256}, "compensate": 1.25})");
  }
};

TEST_F(SeparateManifest, GivesTheStemAndTheSongWithoutIt) {
  const ProgramResult result =
      Separate("uvr.onnx good.wav --manifest mdx.json --two-stems vocals --bits 32f -o out");
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

TEST_F(SeparateManifest, BesideTheModelNeedsNoOption) {
  std::filesystem::rename(folder_ / "mdx.json", folder_ / "uvr.json");
  testing::WriteForeignOnnx(folder_ / "loud.onnx", {.input = {0, 2, -1}, .output = {0, 2, -1}});
  WriteFileAtomically(folder_ / "loud.json",
                      R"({"stems": ["vocals"], "sample_rate_hz": 44100, "segment_frames": 4096})");
  const std::string bits = " good.wav --bits 32f -o ";
  ASSERT_EQ(Separate("uvr.onnx" + bits + "one").status, 0);
  ASSERT_EQ(Separate("-m uvr.onnx -m loud.onnx" + bits + "two").status, 0);
  const auto song = Samples(folder_ / "good.wav"),
             quiet = Samples(folder_ / "one/good/vocals.wav"),
             mean = Samples(folder_ / "two/good/vocals.wav");
  ASSERT_EQ(mean.size(), song.size());
  for (std::size_t i = 0; i < song.size(); ++i)
    EXPECT_NEAR(mean[i], (song[i] + quiet[i]) / 2, 1e-6f);
  // The one that is named counts.
  WriteFileAtomically(folder_ / "mdx.json",
                      R"({"stems": ["v"], "sample_rate_hz": 44100, "segment_frames": 512})");
  ASSERT_EQ(Separate("loud.onnx --manifest mdx.json" + bits + "named").status, 0);
  EXPECT_THAT(FilesBelow(folder_ / "named"), ElementsAre("good/v.wav"));
  WriteFileAtomically(folder_ / "loud.json", R"({"kernel": 3})");
  EXPECT_THAT(Separate("loud.onnx good.wav").err,
              AllOf(HasSubstr("unknown key 'kernel'"), HasSubstr("loud.json")));
  std::filesystem::remove(folder_ / "loud.json");
  std::filesystem::create_symlink("nowhere.json", folder_ / "loud.json");
  EXPECT_THAT(Separate("loud.onnx good.wav").err,
              AllOf(HasSubstr("loud.json"), ::testing::Not(HasSubstr("write them into"))));
  // A model of ours holds its own.
  WriteFileAtomically(folder_ / "model.json", R"({"kernel": 3})");
  EXPECT_EQ(Separate("model.onnx good.wav -o ours").status, 0);
}

TEST_F(SeparateManifest, IsRegisteredWithTheModel) {
  const std::string home = "export XDG_DATA_HOME='" + (folder_ / "home").string() + "' && cd '" +
                           folder_.path().string() + "' && ";
  const auto run = [&](const std::string& arguments) {
    return testing::RunProgram(home + STEMSMITH_BIN_DIR + "/" + arguments);
  };
  ProgramResult result = run("stemsmith register uvr.onnx --name uvr");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("uvr.json beside it"));
  EXPECT_EQ(run("stemsmith register model.onnx --name ours --manifest mdx.json").status, 2);
  result = run("stemsmith register uvr.onnx --name uvr --manifest mdx.json");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(FilesBelow(folder_ / "home/stemsmith/models/uvr"),
              ElementsAre("entry.json", "model.json", "model.onnx"));
  result = run("separate uvr good.wav -o out");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(FilesBelow(folder_ / "out"), ElementsAre("good/vocals.wav"));
  testing::WriteForeignOnnx(folder_ / "large.onnx",
                            {.input = {0, 2, 700}, .output = {0, 2, 700}, .gains_file = "weights"});
  WriteFileAtomically(folder_ / "large.json", R"({"stems": ["v"], "sample_rate_hz": 44100})");
  result = run("stemsmith register large.onnx --name large");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(FilesBelow(folder_ / "home/stemsmith/models/large"),
              ElementsAre("entry.json", "model.json", "model.onnx", "weights"));
  result = run("stemsmith inspect home/stemsmith/models/large --json");
  EXPECT_THAT(result.out, AllOf(HasSubstr("large/weights\""), HasSubstr("large/model.json\"")));
  EXPECT_EQ(run("separate large good.wav -o large").status, 0);
  testing::WriteForeignOnnx(
      folder_ / "large.onnx",
      {.input = {0, 2, 700}, .output = {0, 2, 700}, .gains_file = "model.json"});
  EXPECT_THAT(run("stemsmith register large.onnx --name clash").err,
              HasSubstr("weights of this model are called model.json"));
  EXPECT_EQ(run("stemsmith register model.onnx --name large --replace").status, 0);
  EXPECT_THAT(FilesBelow(folder_ / "home/stemsmith/models/large"),
              ElementsAre("entry.json", "model.onnx"));
  // What describes a model does not outlive it.
  EXPECT_EQ(run("stemsmith register model.onnx --name uvr --replace").status, 0);
  EXPECT_THAT(FilesBelow(folder_ / "home/stemsmith/models/uvr"),
              ElementsAre("entry.json", "model.onnx"));
}

TEST_F(SeparateManifest, SaysWhatIsMissingAndWhatIsTooMuch) {
  ProgramResult result = Separate("uvr.onnx good.wav -o out");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("carries no stemsmith manifest"), HasSubstr("uvr.onnx"),
                                HasSubstr("--manifest FILE")));
  result = Separate("--model uvr.onnx --model model.onnx good.wav --manifest mdx.json -o out");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("describes one model, not 2"));
  result = Separate("model.onnx good.wav --manifest mdx.json -o out");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("leave --manifest out"));
  result = Separate("uvr.onnx good.wav --manifest mdx.json --precision int8 -o out");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("leave out --precision: models of other programs"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(SeparateManifest, StandsInStepsOfChains) {
  std::filesystem::create_directory(folder_ / "recipes");
  std::filesystem::rename(folder_ / "mdx.json", folder_ / "recipes/mdx.json");
  const auto write = [&](const std::string& text) {
    WriteFileAtomically(folder_ / "recipes/chain.yaml", "steps:\n" + text);
  };
  write("  - {model: uvr.onnx, manifest: mdx.json}\n"
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
  refuse("  - {models: [uvr.onnx, uvr.onnx], manifest: mdx.json}\n", "manifest");
  refuse("  - {model: model.onnx, manifest: mdx.json}\n", "chain.yaml:2");
}

TEST_F(SeparateManifest, IsShownByInspect) {
  const ProgramResult result =
      testing::RunProgram("cd '" + folder_.path().string() + "' && " + STEMSMITH_BIN_DIR +
                          "/stemsmith inspect uvr.onnx --manifest mdx.json");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("vocals"), HasSubstr("(8192 frames), fixed"),
                                HasSubstr("1024")));
}

TEST_F(SeparateManifest, IsNeverOverwritten) {
  std::filesystem::create_directory(folder_ / "out");
  std::filesystem::rename(folder_ / "mdx.json", folder_ / "out/vocals.wav");
  const ProgramResult result =
      Separate("uvr.onnx good.wav --manifest out/vocals.wav -o out --name '{stem}.{ext}'");
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("vocals.wav"));
  EXPECT_THAT(ReadFile(folder_ / "out/vocals.wav"), HasSubstr("compensate"));
}

}  // namespace
}  // namespace stemsmith
