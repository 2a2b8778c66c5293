#include "core/error.h"
#include "models/spectrogram_model.h"
#include "tests/models/tiny_models.h"

namespace stemsmith::testing::unet_test {
namespace {

std::shared_ptr<SeparationModel> Build(const std::string& options, int stems = 3,
                                       int channels = 2) {
  torch::manual_seed(5);
  auto model = MakeModel(
      Config::Parse("{name: unet, n_fft: 256, hop: 64, channels: 4, depth: 3" + options + "}",
                    "test"),
      Setting(stems, channels));
  model->eval();
  return model;
}

double Worst(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>() / b.abs().max().item<double>();
}

// Also the proof that STFT and ISTFT reconstruct up to the edges.
TEST(Unet, StemsSumToTheMixtureWithSharedMasks) {
  torch::NoGradGuard no_grad;
  for (const char* mask : {"softmax", "ratio"})
    for (const std::int64_t frames : {1, 100, 4000}) {
      const auto mix = torch::randn({2, 2, frames});
      const auto sum = Build(std::string(", mask: ") + mask)->forward(mix).sum(1);
      EXPECT_LE(Worst(sum, mix), mask == std::string("softmax") ? 1e-5 : 1e-4)
          << mask << " " << frames;
    }
}

TEST(Unet, SigmoidMasksLeaveStemsFree) {
  torch::NoGradGuard no_grad;
  const auto mix = torch::randn({1, 2, 4096});
  EXPECT_GT(Worst(Build(", mask: sigmoid")->forward(mix).sum(1), mix), 0.01);
}

TEST(Unet, LoudnessDoesNotMatter) {
  torch::NoGradGuard no_grad;
  const auto model = Build("");
  const auto mix = torch::randn({1, 2, 4096});
  for (const double gain : {1e-3, 20.0})
    EXPECT_LE(Worst(model->forward(mix * gain), model->forward(mix) * gain), 1e-4) << gain;
}

// Above the bandwidth every bin has the mask of the topmost bin that the network sees: what a stem
// holds there is the mixture there times one number per time.
TEST(Unet, BinsAboveTheBandwidthShareAMask) {
  torch::NoGradGuard no_grad;
  const auto model = Build(", bandwidth_hz: 5000", 2, 1);  // 32 of 129 bins are seen
  const auto mix = torch::randn({1, 1, 4096});
  const auto window = torch::hann_window(256);
  auto spectrum = [&](const torch::Tensor& wave) {
    return torch::stft(wave.reshape({1, -1}), 256, 64, 256, window, /*normalized=*/false, true,
                       true);
  };
  // A stationary mask in the middle of the signal would be needed for exactness; energies per bin
  // suffice.
  const auto stem = spectrum(model->forward(mix)[0][0]).abs().square().mean(-1);
  const auto whole = spectrum(mix).abs().square().mean(-1);
  const auto gain = (stem / whole).flatten();
  const auto above = gain.slice(0, 40, 120), below = gain.slice(0, 0, 32);
  EXPECT_LT(above.std().item<double>(), 0.1 * above.mean().item<double>());
  EXPECT_GT(below.std().item<double>(), above.std().item<double>());
}

// Without masks the network gives magnitudes: none above the bandwidth, and those of a louder
// mixture are louder.
TEST(Unet, WithoutMasksEstimatesAreMagnitudesOfTheNetwork) {
  torch::NoGradGuard no_grad;
  const auto model =
      std::dynamic_pointer_cast<SpectrogramModel>(Build(", mask: none, bandwidth_hz: 5000", 1));
  const auto mix = torch::rand({2, 2, 129, 16}) + 0.1;
  const auto estimate = model->EstimateMagnitudes(mix);
  ASSERT_EQ(estimate.sizes(), (std::vector<std::int64_t>{2, 1, 2, 129, 16}));
  EXPECT_GE(estimate.min().item<double>(), 0.0);
  EXPECT_GT(estimate.slice(3, 0, 32).max().item<double>(), 0.0);
  EXPECT_EQ(estimate.slice(3, 32, 129).abs().max().item<double>(), 0.0);
  EXPECT_LE(Worst(model->EstimateMagnitudes(mix * 7), estimate * 7), 1e-4);
  const auto wave = torch::randn({1, 2, 4096});
  EXPECT_LE(Worst(model->forward(wave * 7), model->forward(wave) * 7), 1e-4);
}

TEST(Unet, DropoutActsInTrainingOnly) {
  torch::NoGradGuard no_grad;
  const auto model = Build(", dropout: 0.5");
  const auto mix = torch::randn({1, 2, 4096});
  EXPECT_TRUE(torch::equal(model->forward(mix), model->forward(mix)));
  model->train();
  EXPECT_FALSE(torch::equal(model->forward(mix), model->forward(mix)));
}

TEST(Unet, DefaultHasTheStatedSize) {
  const auto model = MakeModel(Config::Parse("name: unet", "test"), Setting(4));
  std::int64_t count = 0;
  for (const auto& parameter : model->parameters()) count += parameter.numel();
  EXPECT_GT(count, 1'500'000);
  EXPECT_LT(count, 1'800'000);
  EXPECT_EQ(model->length_rule().multiple_frames, 32768);
  EXPECT_EQ(model->stft()["n_fft"], 4096);
}

TEST(Unet, ContradictoryOptionsAreErrors) {
  for (const char* options :
       {"n_fft: 256, hop: 100", "n_fft: 255, hop: 51", "n_fft: 256, hop: 256",
        "n_fft: 256, hop: 64, depth: 9", "mask: hard", "growth: -1", "channels: 0"})
    EXPECT_THROW(
        MakeModel(Config::Parse(std::string("{name: unet, ") + options + "}", "test"), Setting()),
        Error)
        << options;
  EXPECT_THROW(MakeModel(Config::Parse("{name: unet, mask: softmax}", "test"), Setting(1)), Error);
}

TEST(Unet, EstimatesMagnitudesWithTheMasksOfSeparate) {
  torch::NoGradGuard no_grad;
  for (const char* options : {"", ", mask: sigmoid, bandwidth_hz: 9000"}) {
    const auto model = Build(options);
    auto& spectrogram_model = dynamic_cast<SpectrogramModel&>(*model);
    const auto mix = torch::randn({2, 2, 2048});
    // With silence around the segment both see the same frames.
    const auto padded = torch::constant_pad_nd(mix, {128, 128});
    const auto magnitudes = spectrogram_model.Magnitudes(padded);
    ASSERT_EQ(magnitudes.sizes(), (std::vector<std::int64_t>{2, 2, 129, 32}));
    const auto estimates = spectrogram_model.EstimateMagnitudes(magnitudes);
    ASSERT_EQ(estimates.sizes(), (std::vector<std::int64_t>{2, 3, 2, 129, 32}));

    const auto window = torch::hann_window(256);
    const auto spectrum =
        torch::stft(padded.flatten(0, 1), 256, 64, 256, window, /*center=*/false, "constant",
                    /*normalized=*/false, /*onesided=*/true, /*return_complex=*/true)
            .unflatten(0, {2, 2});
    EXPECT_LE(Worst(magnitudes, spectrum.abs().slice(-1, 0, 32)), 1e-6);
    auto masks = estimates / magnitudes.unsqueeze(1);
    masks = torch::cat({masks, masks.slice(-1, 31)}, -1);  // the frame at the very end
    const auto waves = torch::istft((masks * spectrum.unsqueeze(1)).flatten(0, 2), 256, 64, 256,
                                    window, /*center=*/true)
                           .unflatten(0, {2, 3, 2});
    EXPECT_LE(Worst(model->Separate(mix), waves), 1e-5) << options;
  }
}

TEST(Unet, FramesDoNotDependOnWhereASegmentBegins) {
  auto model = Build("");
  auto& spectrogram_model = dynamic_cast<SpectrogramModel&>(*model);
  const auto song = torch::randn({1, 2, 8192});
  const auto whole = spectrogram_model.Magnitudes(song);
  EXPECT_EQ(whole.size(-1), (8192 - 256) / 64);
  const auto part = spectrogram_model.Magnitudes(song.slice(-1, 640, 640 + 2048 + 256));
  EXPECT_LE(Worst(part, whole.slice(-1, 10, 42)), 1e-6);
}

}  // namespace
}  // namespace stemsmith::testing::unet_test
