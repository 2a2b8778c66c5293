#include "models/manifest_for.h"

#include <gtest/gtest.h>

#include "models/separation_model.h"
#include "tests/models/tiny_models.h"

namespace stemsmith::testing {
namespace {

Manifest ManifestOf(const std::string& model, Tail tail) {
  const Config config = Config::Parse(model, "test");
  Checkpoint checkpoint;
  checkpoint.model_config = model;
  checkpoint.setting = Setting();
  checkpoint.segment_frames = 10'000;
  checkpoint.tail = tail;
  return ManifestFor(checkpoint, *MakeModel(config, checkpoint.setting), 0, "test");
}

// At half the rate two levels of stride 4 and width 8 take 18 + 8 · k frames.
TEST(ManifestFor, DemucsKeepsTheFramesOfTheSegmentAndSeesMore) {
  const std::string demucs = "{name: demucs, channels: 4, depth: 2, norm_groups: 2}";
  const Manifest context = ManifestOf(demucs, Tail::kContext);
  EXPECT_EQ(context.kept_frames, 10'000);
  EXPECT_EQ(context.segment_frames, 10'002);
  const Manifest zeros = ManifestOf(demucs, Tail::kZeros);
  EXPECT_EQ(zeros.kept_frames, 0);
  EXPECT_EQ(zeros.segment_frames, 10'002);
  const std::string bag = "{name: bag, models: [" + demucs + ", " + demucs + "]}";
  EXPECT_EQ(ManifestOf(bag, Tail::kContext).kept_frames, 10'000);
}

TEST(ManifestFor, ModelsWithoutSuchAProgramKeepAll) {
  const std::string odd = "{name: demucs, channels: 4, depth: 2, norm_groups: 2, kernel_size: 7}";
  for (const std::string& model : {odd, std::string("{name: wave_unet, channels: 4, depth: 4}")}) {
    EXPECT_EQ(ManifestOf(model, Tail::kContext).kept_frames, 0) << model;
    EXPECT_EQ(ManifestOf(model, Tail::kContext).segment_frames, 10'000) << model;
  }
}

}  // namespace
}  // namespace stemsmith::testing
