#include "train/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/error_of.h"

namespace stemsmith::testing::loss_test {
namespace {

using ::testing::HasSubstr;

LossSetting Setting() {
  LossSetting setting;
  setting.stems = {"vocals", "drums", "other"};
  setting.stem_levels = {0.1, 0.2, 0.4};
  return setting;
}

WeightedLoss MakeLoss(const std::string& yaml, const LossSetting& setting = Setting()) {
  const Config config = Config::Parse("loss: " + yaml, "test");
  WeightedLoss loss(config.List("loss"), setting);
  config.CheckAllRead();
  return loss;
}

double LossOf(const std::string& yaml, const torch::Tensor& estimates,
              const torch::Tensor& targets) {
  return MakeLoss(yaml)(estimates, targets).item<double>();
}

std::string Refusal(const std::string& yaml, const LossSetting& setting = Setting()) {
  return MessageOf([&] { MakeLoss(yaml, setting); });
}

struct Audio {
  torch::Tensor estimates, targets;
  Audio() {
    torch::manual_seed(1);
    estimates = torch::randn({4, 3, 2, 3000}), targets = torch::randn({4, 3, 2, 3000});
  }
};

torch::Tensor Magnitude(const torch::Tensor& x) {
  return torch::stft(x.reshape({-1, x.size(-1)}), 64, 16, 64, torch::hann_window(64), true,
                     "reflect", false, true, true)
      .abs();
}

TEST(Loss, MatchesItsDefinition) {
  const auto [a, b] = Audio();
  const double l1 = (a - b).abs().mean().item<double>();
  const double mse = (a - b).square().mean().item<double>();
  EXPECT_NEAR(LossOf("[]", a, b), l1, 1e-6) << "the default is L1 on waveforms";
  EXPECT_NEAR(LossOf("[{name: mse}]", a, b), mse, 1e-6);
  EXPECT_NEAR(LossOf("[{name: l1, weight: 2}, {name: mse, weight: 0.5}]", a, b), 2 * l1 + 0.5 * mse,
              1e-5);
  EXPECT_NEAR(LossOf("[{name: l1, domain: magnitude, n_fft: 64}]", a, b),
              (Magnitude(a) - Magnitude(b)).abs().mean().item<double>(), 1e-5);
}

TEST(Loss, StemsCountByTheirWeights) {
  const auto [a, b] = Audio();
  const torch::Tensor stems = (a - b).abs().mean({0, 2, 3});
  const auto mean = [&](double vocals, double drums, double other) {
    return (stems * torch::tensor({vocals, drums, other})).sum().item<double>() /
           (vocals + drums + other);
  };
  EXPECT_NEAR(LossOf("[{name: l1, stem_weights: {vocals: 3, other: 0.5}}]", a, b), mean(3, 1, 0.5),
              1e-6);
  EXPECT_NEAR(LossOf("[{name: l1, stem_weights: {vocals: 0}}]", a, b), mean(0, 1, 1), 1e-6);
  EXPECT_NEAR(LossOf("[{name: l1, stem_weights: loudness}]", a, b), mean(10, 5, 2.5), 1e-6);
  EXPECT_NEAR(LossOf("[{name: l1, stem_weights: {vocals: 3}, weight: 2}, {name: l1}]", a, b),
              2 * mean(3, 1, 1) + mean(1, 1, 1), 1e-5);
}

TEST(Loss, OfSomeStemsIsOnTheMeanThatOfAll) {
  const auto [a, b] = Audio();
  for (const char* weights : {"", ", stem_weights: {drums: 3.0}"}) {
    const WeightedLoss loss = MakeLoss(std::string("[{name: mse") + weights + "}]");
    double sum = 0.0;
    for (std::int64_t left_out = 0; left_out < 3; ++left_out) {
      std::vector<std::int64_t> places = {0, 1, 2};
      places.erase(places.begin() + left_out);
      const torch::Tensor index = torch::tensor(places);
      sum += loss(a.index_select(1, index), b.index_select(1, index), places).item<double>();
    }
    EXPECT_NEAR(sum / 3, loss(a, b).item<double>(), 1e-6) << weights;
  }
}

TEST(Loss, WrongStemWeightsAreNamed) {
  EXPECT_THAT(Refusal("[{name: l1, stem_weights: {vocal: 2}}]"), HasSubstr("'vocals'"));
  EXPECT_THAT(Refusal("[{name: l1, stem_weights: {harpsichord: 2}}]"),
              HasSubstr("vocals, drums, other"));
  EXPECT_THAT(Refusal("[{name: l1, stem_weights: loud}]"), HasSubstr("loudness"));
  EXPECT_THAT(Refusal("[{name: l1, stem_weights: [1, 2]}]"), HasSubstr("stem_weights"));
  EXPECT_THAT(Refusal("[{name: l1, stem_weights: {vocals: 0, drums: 0, other: 0}}]"),
              HasSubstr("no stem"));
  EXPECT_THAT(Refusal("[{name: l1, stem_weights: {vocals: -1}}]"), HasSubstr("vocals"));
  LossSetting silent = Setting();
  silent.stem_levels[1] = 0.0;
  EXPECT_THAT(Refusal("[{name: l1, stem_weights: loudness}]", silent), HasSubstr("'drums'"));
  EXPECT_NO_THROW(MakeLoss("[{name: l1}]", silent));
}

TEST(Loss, ConvergenceIsTheRelativeError) {
  const auto [a, b] = Audio();
  const std::string yaml = "[{name: spectral_convergence, n_fft: 64}]";
  EXPECT_NEAR(LossOf(yaml, 0.75 * b, b), 0.25, 1e-5);
  EXPECT_NEAR(LossOf(yaml, 75 * b, 100 * b), 0.25, 1e-5) << "whatever the level";
  // A stem that is silent over the batch cannot be measured by itself.
  torch::Tensor targets = b.clone(), estimates = 0.75 * b;
  targets.select(1, 1).zero_();
  EXPECT_NEAR(LossOf(yaml, estimates, targets), 0.5 / 3, 1e-5);
}

TEST(Loss, TrimmedMseDropsTheLargestErrors) {
  const torch::Tensor targets = torch::zeros({5, 3, 2, 100});
  torch::Tensor estimates = torch::ones({5, 3, 2, 100});
  estimates.select(1, 0)[2].fill_(10.0);  // one bad sample of vocals
  estimates.select(1, 1)[0][0][7] = 100.0;
  const auto stem = [&](const std::string& more, std::int64_t s) {
    const Config config = Config::Parse("{" + more + "}", "test");
    return MakeTrimmedMse(config, Setting())->PerStem(estimates, targets)[s].item<double>();
  };
  EXPECT_NEAR(stem("quantile: 0.9", 0), 4.0 / 5, 1e-5) << "dropped ones count as 0";
  EXPECT_NEAR(stem("quantile: 1.0", 0), (4.0 + 100) / 5, 1e-4);
  EXPECT_NEAR(stem("quantile: 0.9, per: element", 0), 0.8 + 20, 1e-4)
      << "a fifth of all elements lies beyond";
  EXPECT_NEAR(stem("quantile: 0.99, per: element", 1), 0.999, 1e-5) << "one element of a thousand";
  EXPECT_NEAR(stem("quantile: 0.5", 2), 1.0, 1e-6) << "equal errors are no outliers";

  // Dropped samples give no gradient, and a batch of one is kept.
  torch::Tensor leaf = estimates.clone().requires_grad_();
  MakeLoss("[{name: trimmed_mse, quantile: 0.9}]")(leaf, targets).backward();
  EXPECT_EQ(leaf.grad().select(1, 0)[2].abs().sum().item<double>(), 0.0);
  EXPECT_GT(leaf.grad().select(1, 0)[1].abs().sum().item<double>(), 0.0);
  EXPECT_GT(LossOf("[{name: trimmed_mse}]", estimates.slice(0, 0, 1), targets.slice(0, 0, 1)), 0.5);
}

TEST(Loss, SiSdrDoesNotSeeTheScale) {
  const auto [a, b] = Audio();
  const torch::Tensor estimates = b + 0.1 * a;
  const double value = LossOf("[{name: si_sdr}]", estimates, b);
  EXPECT_NEAR(value, -20.0, 0.5);
  EXPECT_NEAR(LossOf("[{name: si_sdr}]", 7 * estimates + 3, b), value, 1e-3);
  torch::Tensor targets = b.clone();
  targets.select(1, 1).zero_();
  EXPECT_NEAR(LossOf("[{name: si_sdr}]", estimates, targets), value * 2 / 3, 0.3);
}

TEST(Loss, GradientIsFiniteInSilence) {
  for (const char* yaml :
       {"{name: l1, domain: magnitude, n_fft: 64}", "{name: spectral_convergence, n_fft: 64}",
        "{name: trimmed_mse}", "{name: si_sdr}",
        "{name: multi_resolution_stft, n_ffts: [64], hops: [16], windows: [64]}",
        "{name: multi_resolution_complex_stft, n_fft: 64, hop: 16, windows: [64, 32]}"}) {
    const WeightedLoss loss = MakeLoss(std::string("[") + yaml + "]");
    for (const bool target_sounds : {true, false}) {
      const torch::Tensor silent = torch::zeros({1, 3, 1, 300}, torch::requires_grad());
      const torch::Tensor target =
          target_sounds ? torch::randn({1, 3, 1, 300}) : torch::zeros({1, 3, 1, 300});
      const torch::Tensor value = loss(silent, target);
      EXPECT_TRUE(std::isfinite(value.item<double>())) << yaml;
      value.backward();
      EXPECT_TRUE(silent.grad().isfinite().all().item<bool>()) << yaml;
    }
  }
}

TEST(Loss, UnknownNameNamesTheNearest) {
  EXPECT_THAT(Refusal("[{name: l2}]"), HasSubstr("'l1'"));
  EXPECT_THAT(Refusal("[{name: trimed_mse}]"), HasSubstr("'trimmed_mse'"));
}

TEST(Loss, WrongSizesAreNamed) {
  const std::string head = "[{name: multi_resolution_stft, ";
  EXPECT_THAT(Refusal(head + "n_ffts: [512, 1024]}]"), HasSubstr("one length"));
  EXPECT_THAT(Refusal(head + "n_ffts: [512], hops: [600], windows: [512]}]"), HasSubstr("hop"));
  EXPECT_THAT(Refusal(head + "n_ffts: [51.5], hops: [16], windows: [32]}]"), HasSubstr("'n_ffts'"));
  const std::string complex = "[{name: multi_resolution_complex_stft, ";
  EXPECT_THAT(Refusal(complex + "windows: []}]"), HasSubstr("windows is empty"));
  EXPECT_THAT(Refusal(complex + "windows: [512, 128]}]"), HasSubstr("a hop of 147 leaves gaps"));
  EXPECT_THAT(Refusal("[{name: spectral_convergence, domain: waveform}]"), HasSubstr("domain"));
  EXPECT_THAT(Refusal("[{name: si_sdr, domain: magnitude}]"), HasSubstr("domain"));
  EXPECT_THAT(Refusal("[{name: trimmed_mse, quantile: 1.5}]"), HasSubstr("quantile"));
  const auto [a, b] = Audio();
  const WeightedLoss loss = MakeLoss("[{name: l1, domain: magnitude, n_fft: 8192}]");
  EXPECT_THAT(MessageOf([&] { loss(a, b); }), HasSubstr("too long for segments of 3000 frames"));
}

}  // namespace
}  // namespace stemsmith::testing::loss_test
