// What scnet, scnet_masked and mdx23c refuse, and what they take for the same. Their numbers are
// compared with PyTorch's in tests/reference.
#include "core/error.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing::scnet_test {
namespace {

struct Refusal {
  const char* model;
  const char* reason;  // part of the message
};
void ExpectRefusals(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    const std::string text =
        MessageOf([&] { MakeModel(Config::Parse(refusal.model, "m.yaml"), Setting()); },
                  ExitCode::kWrongUse);
    EXPECT_NE(text.find(refusal.reason), std::string::npos) << refusal.model << ": " << text;
    EXPECT_NE(text.find("m.yaml"), std::string::npos) << text;
  }
}

TEST(Scnet, OptionsThatDoNotFitAreErrorsThatSayWhy) {
  ExpectRefusals({
      {"{name: scnet, nfft: 2048}", "win_size is longer than nfft"},
      {"{name: scnet_masked, win_size: 2048}", "win_size is not nfft"},
      {"{name: scnet, hop_size: 3000}", "shorter than two hops"},
      {"{name: scnet, dims: [4]}", "dims has no level"},
      {"{name: scnet, dims: [8, 16]}", "twice the number of channels"},
      {"{name: scnet, dims: [4, 2.5]}", "dims takes whole numbers"},
      {"{name: scnet, band_SR: [0.5, 0.5]}", "band_SR is not a list of three"},
      {"{name: scnet, band_SR: [0.5, 0.5, 0.0]}", "leaves nothing of a band"},
      {"{name: scnet, band_kernel: [3, 2, 16]}", "cannot bring it back"},
      {"{name: scnet, conv_kernel: 2}", "conv_kernel is even"},
      {"{name: scnet, num_dplayer: 3}", "num_dplayer is odd"},
      {"{name: scnet, compress: 64}", "compress leaves nothing"},
      {"{name: scnet, audio_channels: 1}", "audio_channels: 1 is not supported"},
  });
}

TEST(Mdx23c, OptionsThatDoNotFitAreErrorsThatSayWhy) {
  ExpectRefusals({
      {"{name: mdx23c, dim_f: 4100}", "dim_f is beyond the last bin"},
      {"{name: mdx23c, dim_f: 4092}", "cannot be divided by num_subbands"},
      {"{name: mdx23c, num_scales: 11}", "cannot be divided by num_subbands"},
      {"{name: mdx23c, bottleneck_factor: 64}", "bottleneck_factor leaves nothing"},
      {"{name: mdx23c, hop_length: 5000}", "shorter than two hops"},
      {"{name: mdx23c, scale: [2]}", "scale is not a list of two"},
      {"{name: mdx23c, norm: LayerNorm}", "norm is none that is known"},
      {"{name: mdx23c, norm: GroupNorm3}", "do not divide a level's channels"},
      {"{name: mdx23c, act: elu}", "act is none that is known"},
  });
}

// As Music-Source-Separation-Training writes them.
TEST(Scnet, WhatTheSettingSaysMayStandAmongTheOptions) {
  const Config config = Config::Parse(
      "{name: scnet, nfft: 256, hop_size: 64, win_size: 256, dims: [4, 8], num_dplayer: 2, "
      "sources: [a, b], audio_channels: 2}",
      "m.yaml");
  EXPECT_NO_THROW(MakeModel(config, Setting(2)));
}

TEST(Mdx23c, SilenceStaysSilentBehindNoise) {
  torch::NoGradGuard no_grad;
  const auto model = TinyModel("mdx23c");
  auto mix = torch::randn({1, 2, 6000});
  mix.slice(2, 3000).zero_();
  EXPECT_EQ(model->forward(mix).slice(3, 3300).abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace stemsmith::testing::scnet_test
