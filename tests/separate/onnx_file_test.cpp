#include "separate/onnx_file.h"

#include <gtest/gtest.h>

#include "core/files.h"
#include "separate/manifest.h"
#include "separate/runtime.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using testing::TemporaryFolder;
using testing::TinyManifest;

TEST(OnnxFile, TellsItsMetadataWithoutARuntime) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(), {0.25f, -2.0f});
  EXPECT_EQ(OnnxMetadata(folder / "model.onnx", kManifestMetadataKey),
            TinyManifest().ToJson().dump());
  EXPECT_EQ(OnnxMetadata(folder / "model.onnx", "other"), std::nullopt);
  EXPECT_EQ(OnnxMetadata(folder / "missing.onnx", "other"), std::nullopt);
}

TEST(OnnxFile, GivesTheModelOfSomeStems) {
  TemporaryFolder folder;
  testing::WriteJoinedOnnx(folder / "model.onnx", TinyManifest(3), {0.25f, -2.0f, 3.0f});
  const std::string smaller = OnnxOfStems(folder / "model.onnx", {0, 2}, 3);
  ASSERT_FALSE(smaller.empty());
  EXPECT_EQ(smaller.find("gain1"), smaller.npos);  // the weight of the second stem
  EXPECT_NE(smaller.find("gain2"), smaller.npos);

  const auto runtime = Runtime::Open(
      folder / "model.onnx",
      {.device = "cpu",
       .threads = 1,
       .wanted = [](const auto&) { return std::vector<std::string>{"other", "drums"}; }});
  EXPECT_EQ(runtime->stems(), (std::vector<std::string>{"drums", "other"}));
  EXPECT_EQ(runtime->info().stems.size(), 3u);
  const std::vector<float> mix = {1, 2, 3, 4};
  std::vector<float> out(8);
  runtime->Run(mix.data(), 1, 2, out.data());
  EXPECT_EQ(out, (std::vector<float>{0.25f, 0.5f, 0.75f, 1, 3, 6, 9, 12}));
}

TEST(OnnxFile, LeavesAModelWholeThatNeedsAllForEachStem) {
  TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", TinyManifest(), {0.25f, -2.0f});
  EXPECT_EQ(OnnxOfStems(folder / "model.onnx", {0}, 2), "");
  testing::WriteJoinedOnnx(folder / "joined.onnx", TinyManifest(2), {0.25f, -2.0f});
  EXPECT_EQ(OnnxOfStems(folder / "joined.onnx", {0}, 3), "");  // not as many stems
}

TEST(OnnxFile, GivesNothingOfADamagedFile) {
  TemporaryFolder folder;
  testing::WriteJoinedOnnx(folder / "model.onnx", TinyManifest(3), {0.25f, -2.0f, 3.0f});
  const std::string whole = ReadFile(folder / "model.onnx");
  for (std::size_t size = 0; size < whole.size(); size += 17) {
    WriteFileAtomically(folder / "cut.onnx", whole.substr(0, size));
    OnnxMetadata(folder / "cut.onnx", kManifestMetadataKey);
    EXPECT_NE(OnnxOfStems(folder / "cut.onnx", {0}, 3), whole);
  }
  for (std::size_t place = 0; place < whole.size(); place += 13) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 0xff);
    WriteFileAtomically(folder / "damaged.onnx", damaged);
    OnnxMetadata(folder / "damaged.onnx", kManifestMetadataKey);
    OnnxOfStems(folder / "damaged.onnx", {0}, 3);
  }
}

}  // namespace
}  // namespace stemsmith
