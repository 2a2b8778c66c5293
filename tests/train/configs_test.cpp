// The training configurations of configs/: each builds its model and trains, small.
#include <gmock/gmock.h>

#include <map>

#include "tests/train/training_fixture.h"

namespace stemsmith::testing::configs_test {
namespace {

namespace fs = std::filesystem;

// What makes each small enough for a moment. A file that is not here fails.
const std::map<std::string, std::vector<std::string>>& SmallSettings() {
  static const std::vector<std::string> kUnet = {"model.n_fft=128", "model.hop=32", "model.depth=2",
                                                 "model.channels=4"};
  static const std::vector<std::string> kUnetLstm = {"model.n_fft=128", "model.hop=32",
                                                     "model.depth=2", "model.channels=4",
                                                     "model.bottleneck_width=8"};
  static const std::vector<std::string> kHtdemucs = {"model.channels=8", "model.nfft=256",
                                                     "model.depth=2",    "model.t_layers=1",
                                                     "model.t_heads=2",  "model.bottom_channels=8"};
  static const std::vector<std::string> kWave = {"model.channels=4", "model.depth=2"};
  static const std::vector<std::string> kScnet = {"model.nfft=256", "model.hop_size=64",
                                                  "model.win_size=256", "model.dims=[4,8,8]",
                                                  "model.num_dplayer=2"};
  static const std::vector<std::string> kMdx23c = {
      "model.n_fft=256",     "model.hop_length=64", "model.dim_f=128",
      "model.num_channels=4", "model.growth=4",     "model.num_scales=2"};
  static const auto with = [](std::vector<std::string> settings,
                              const std::vector<std::string>& more) {
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
  };
  static const std::vector<std::string> kTokens = {
      "model.dim=8",         "model.depth=1",            "model.dim_head=4",
      "model.heads=2",       "model.stft_n_fft=64",      "model.stft_win_length=64",
      "train.accumulate=1",  "model.stft_hop_length=16", "train.precision=float32"};
  static const std::vector<std::string> kDemoRoformer =
      with(kTokens, {"model.freqs_per_bands=[16, 17]"});
  static const std::vector<std::string> kLoss = {"loss.1.windows=[64, 32]", "loss.1.n_fft=64",
                                                 "loss.1.hop=16"};
  static const std::vector<std::string> kBsRoformer = with(kDemoRoformer, kLoss);
  static const std::vector<std::string> kMelBandRoformer =
      with(with(kTokens, {"model.num_bands=4"}), kLoss);
  static const std::map<std::string, std::vector<std::string>> table = {
      {"bs_roformer", kBsRoformer},
      {"bs_roformer_medium", kBsRoformer},
      {"bs_roformer_small", kBsRoformer},
      {"demo_roformer", kDemoRoformer},
      {"drum_kit_roformer", kBsRoformer},
      {"karaoke_roformer", kMelBandRoformer},
      {"mel_band_roformer", kMelBandRoformer},
      {"mel_band_roformer_vocals", kMelBandRoformer},
      {"demo_demucs_v2", kWave},
      {"demo_unet", kUnet},
      {"demucs", kWave},
      {"demucs_v2", kWave},
      {"hdemucs", {"model.channels=4", "model.nfft=256", "model.depth=4"}},
      {"htdemucs", kHtdemucs},
      {"htdemucs_six_stems", kHtdemucs},
      {"mdx23c", kMdx23c},
      {"mdx23c_drums", kMdx23c},
      {"mdx23c_small", kMdx23c},
      {"scnet", kScnet},
      {"scnet_large", kScnet},
      {"scnet_masked", kScnet},
      {"scnet_small", kScnet},
      {"unet_blstm", kUnetLstm},
      {"unet_musdb18", kUnet},
      {"unet_residual_attention", kUnet},
      {"unet_slakh", kUnet},
      {"unet_spectrogram", kUnet},
      {"unet_vocals", kUnet},
      {"wave_unet", kWave},
  };
  return table;
}

// No configurations by themselves: what others extend, what starts from a model's weights (the test
// of its guide runs it), and the list of published models.
bool IsPart(const std::string& name) {
  return name == "base" || name == "demucs_musdb18hq" || name == "roformer" ||
         name == "fine_tune" || name == "fine_tune_lora" || name == "catalogue";
}

class Configs : public TrainingTest {};

TEST_F(Configs, EachTrainsAtASmallSize) {
#ifndef STEMSMITH_HAS_RUBBERBAND
  GTEST_SKIP() << "built without Rubber Band";
#endif
  const fs::path cache = MakeCache(folder_ / "cache.h5");
  std::size_t tried = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(STEMSMITH_SOURCE_DIR) / "configs")) {
    const std::string name = entry.path().stem().string();
    if (!entry.is_regular_file() || IsPart(name)) continue;
    SCOPED_TRACE(name);
    ASSERT_TRUE(SmallSettings().contains(name)) << "give it a row in this test";
    std::vector<std::string> settings = SmallSettings().at(name);
    for (const char* setting :
         {"dataset.segment_seconds=0.1", "dataset.samples_per_epoch=0", "train.epochs=0",
          "train.steps=2", "train.batch_size=4", "train.log_every_steps=1",
          "validate.every_steps=2", "validate.max_segments=2"}) {
      settings.push_back(setting);
    }
    settings.push_back("dataset.cache=" + cache.string());
    const Config config = Config::Load(entry.path(), settings);
    TrainRequest request;
    request.run = folder_ / name;
    request.device = "cpu";
    request.threads = 1;
    EXPECT_EQ(Train(config, request).step, 2);
    for (const double loss : Losses(name, "train")) EXPECT_TRUE(std::isfinite(loss));
    EXPECT_EQ(Losses(name, "validation").size(), 1u);
    ++tried;
  }
  EXPECT_EQ(tried, SmallSettings().size());
}

}  // namespace
}  // namespace stemsmith::testing::configs_test
