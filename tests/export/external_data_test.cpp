// Weights that lie in a file beside the .onnx file.
#include <gtest/gtest.h>

#include "core/checksum.h"
#include "core/files.h"
#include "export/export.h"
#include "separate/manifest.h"
#include "separate/runtime.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/support/flips.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing::external_data_test {
namespace {

namespace fs = std::filesystem;

ExportResult ExportTiny(const fs::path& out, bool external, int seed = 1) {
  Checkpoint checkpoint;
  checkpoint.setting = Setting();
  const Config config = TinyConfig("demucs_v2");
  torch::manual_seed(seed);
  const auto model = MakeModel(config, checkpoint.setting);
  checkpoint.model_config = config.Dump();
  checkpoint.segment_frames = 9000;
  checkpoint.weights = model->StateDict();
  ExportOptions options;
  options.out = out;
  if (external) options.onnx_inline_bytes = 0;
  return ExportCheckpoint(checkpoint, "tiny", options);
}

torch::Tensor Separated(const fs::path& path, const torch::Tensor& mix) {
  const auto runtime = Runtime::Open(path, {.device = "cpu"});
  torch::Tensor estimates = torch::full({mix.size(0), 3, 2, mix.size(2)}, NAN);
  runtime->Run(mix.const_data_ptr<float>(), mix.size(0), mix.size(2),
               estimates.mutable_data_ptr<float>());
  return estimates;
}

std::string Problem(const fs::path& path) {
  return MessageOf([&] { Runtime::Open(path, {.device = "cpu"}); });
}

TEST(ExternalData, TheSmallModelFileWithItsWeightsGivesTheSameResult) {
  TemporaryFolder folder;
  const ExportResult inside = ExportTiny(folder / "inside", false);
  const ExportResult beside = ExportTiny(folder / "beside", true);
  const ExportedFile& file = beside.files[1];
  EXPECT_EQ(file.data_path, folder / "beside" / "model.onnx.data");
  EXPECT_EQ(file.data_bytes, fs::file_size(file.data_path));
  EXPECT_LT(file.bytes, inside.files[1].bytes / 2);
  EXPECT_GT(file.bytes + file.data_bytes, inside.files[1].bytes * 9 / 10);
  EXPECT_TRUE(inside.files[1].data_path.empty());
  const torch::Tensor mix = torch::randn({2, 2, inside.manifest.segment_frames});
  EXPECT_TRUE(torch::equal(Separated(inside.files[1].path, mix), Separated(file.path, mix)));
  const Manifest manifest = Runtime::Open(file.path, {.device = "cpu"})->manifest();
  EXPECT_EQ(manifest.external_data["file"], "model.onnx.data");
  EXPECT_EQ(manifest.external_data["bytes"], file.data_bytes);
  // Nothing else is left behind.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "beside"), {}), 3);
  // Both files may move together.
  fs::rename(folder / "beside", folder / "moved");
  EXPECT_TRUE(torch::equal(Separated(folder / "moved" / "model.onnx", mix),
                           Separated(inside.files[1].path, mix)));
}

TEST(ExternalData, WeightsOfAnotherExportMissingOrCutOffAreRefused) {
  TemporaryFolder folder;
  ExportTiny(folder / "a", true, 1);
  ExportTiny(folder / "b", true, 2);
  EXPECT_NO_THROW(Runtime::Open(folder / "a" / "model.onnx", {.device = "cpu"}));
  const fs::path data = folder / "a" / "model.onnx.data";
  const std::string own = ReadFile(data);
  WriteFileAtomically(data, ReadFile(folder / "b" / "model.onnx.data"));
  EXPECT_NE(Problem(folder / "a" / "model.onnx").find("do not belong to model.onnx"),
            std::string::npos);
  WriteFileAtomically(data, own.substr(0, own.size() / 2));
  EXPECT_NE(Problem(folder / "a" / "model.onnx"), "");
  WriteFileAtomically(data, own + "more");
  EXPECT_NE(Problem(folder / "a" / "model.onnx"), "");
  fs::remove(data);
  const std::string missing = Problem(folder / "a" / "model.onnx");
  EXPECT_NE(missing, "");
  EXPECT_EQ(missing.find('\n'), std::string::npos) << missing;
}

TEST(ExternalData, DamageToTheWeightsIsRefused) {
  TemporaryFolder folder;
  ExportTiny(folder / "out", true);
  const fs::path model = folder / "out" / "model.onnx", data = folder / "out" / "model.onnx.data";
  const std::string sound = ReadFile(data);
  for (const Damage& damage : AllDamage(sound)) {
    WriteQuickly(data, damage.bytes);
    EXPECT_NE(Problem(model), "") << damage.name;
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    WriteQuickly(data, WithFlips(sound, 1, seed, kExternalDataHeadBytes));
    EXPECT_NE(Problem(model).find("does not match the checksum in model.onnx"), std::string::npos);
  }
  WriteQuickly(data, sound);
  EXPECT_NO_THROW(Runtime::Open(model, {.device = "cpu"}));
}

TEST(ExternalData, EveryFileOfAnExportHasAChecksum) {
  TemporaryFolder folder;
  ExportTiny(folder / "out", false);
  EXPECT_TRUE(HoldsChecksum(folder / "out" / "model.onnx", kOnnxChecksum));
  EXPECT_TRUE(HoldsChecksum(folder / "out" / "model.ts", kTorchScriptChecksum));
}

TEST(ExternalData, AnExportWithWeightsInsideTakesFormerOnesAway) {
  TemporaryFolder folder;
  ExportTiny(folder / "out", true);
  ExportTiny(folder / "out", false);
  EXPECT_FALSE(fs::exists(folder / "out" / "model.onnx.data"));
  // But not what it did not write.
  WriteFileAtomically(folder / "out" / "model.onnx.data", "somebody else's");
  ExportTiny(folder / "out", false);
  EXPECT_EQ(ReadFile(folder / "out" / "model.onnx.data"), "somebody else's");
}

}  // namespace
}  // namespace stemsmith::testing::external_data_test
