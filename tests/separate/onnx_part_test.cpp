#include "separate/onnx_part.h"

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

RuntimeOptions Wanting(const std::vector<std::string>& stems) {
  return {.device = "cpu", .threads = 1, .wanted = [stems](const auto&) { return stems; }};
}

TEST(OnnxPart, GivesSomeStemsOfTheModel) {
  TemporaryFolder folder;
  const auto path = folder / "model.onnx";
  testing::WriteJoinedOnnx(path, TinyManifest(3), {0.25f, -2.0f, 3.0f});
  const OnnxPart part = FindOnnxPart(path, TinyManifest(3), Wanting({"other", "drums"}));
  EXPECT_EQ(part.stems, (std::vector<std::string>{"drums", "other"}));
  const std::string smaller = ReadOnnxPart(path, part);
  EXPECT_EQ(smaller.find("gain1"), smaller.npos);  // the weight of the second stem
  EXPECT_NE(smaller.find("gain2"), smaller.npos);

  const auto runtime = Runtime::Open(path, Wanting({"other", "drums"}));
  EXPECT_EQ(runtime->stems(), part.stems);
  EXPECT_EQ(runtime->info().stems.size(), 3u);
  const std::vector<float> mix = {1, 2, 3, 4};
  std::vector<float> out(8);
  runtime->Run(mix.data(), 1, 2, out.data());
  EXPECT_EQ(out, (std::vector<float>{0.25f, 0.5f, 0.75f, 1, 3, 6, 9, 12}));
}

TEST(OnnxPart, IsTheWholeFileWhereAllIsNeeded) {
  TemporaryFolder folder;
  const auto path = folder / "model.onnx";
  testing::WriteGainOnnx(path, TinyManifest(), {0.25f, -2.0f});
  EXPECT_TRUE(FindOnnxPart(path, TinyManifest(), Wanting({"drums"})).of_stems.empty());
  EXPECT_EQ(Runtime::Open(path, Wanting({"drums"}))->stems(), TinyManifest().stems);
  testing::WriteJoinedOnnx(path, TinyManifest(), {0.25f, -2.0f});
  EXPECT_TRUE(FindOnnxPart(path, TinyManifest(), Wanting({})).of_stems.empty());
  EXPECT_TRUE(FindOnnxPart(path, TinyManifest(3), Wanting({"drums"})).of_stems.empty());
  EXPECT_FALSE(FindOnnxPart(path, TinyManifest(), Wanting({"drums"})).of_stems.empty());
}

TEST(OnnxPart, IsTheWholeFileOfADamagedOne) {
  TemporaryFolder folder;
  testing::WriteJoinedOnnx(folder / "model.onnx", TinyManifest(3), {0.25f, -2.0f, 3.0f});
  const std::string whole = ReadFile(folder / "model.onnx");
  for (std::size_t size = 0; size < whole.size(); size += 17) {
    WriteFileAtomically(folder / "cut.onnx", whole.substr(0, size));
    EXPECT_EQ(FindOnnxPart(folder / "cut.onnx", TinyManifest(3), Wanting({"bass"})).stems.size(),
              3u);
  }
  for (std::size_t place = 0; place < whole.size(); place += 13) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 0xff);
    WriteFileAtomically(folder / "damaged.onnx", damaged);
    const OnnxPart part = FindOnnxPart(folder / "damaged.onnx", TinyManifest(3), Wanting({"bass"}));
    if (part.of_stems.empty()) continue;
    EXPECT_LT(ReadOnnxPart(folder / "damaged.onnx", part).size(), whole.size());
  }
}

}  // namespace
}  // namespace stemsmith
