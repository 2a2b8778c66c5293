// What open_unmix promises beyond the table's promises.
#include "core/error.h"
#include "tests/models/tiny_models.h"

namespace stemsmith::testing::open_unmix_test {
namespace {

std::shared_ptr<SeparationModel> Make(const std::string& options,
                                      const ModelSetting& setting = Setting(),
                                      int hidden_size = 16) {
  torch::manual_seed(3);
  auto model = MakeModel(
      Config::Parse("{name: open_unmix, n_fft: 256, hop: 64, hidden_size: " +
                        std::to_string(hidden_size) + (options.empty() ? "" : ", " + options) + "}",
                    "m.yaml"),
      setting);
  model->eval();
  return model;
}

double Difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(OpenUnmix, TheResidualIsWhatTheOthersLeave) {
  const torch::NoGradGuard no_grad;
  const auto mix = torch::randn({2, 2, 5001});
  const auto with = Make("residual: true")->forward(mix);
  EXPECT_LE(Difference(with.sum(1), mix), 1e-5);
  // It has no network of its own.
  for (const auto& [name, tensor] : Make("residual: true")->StateDict())
    EXPECT_EQ(name.find("stem2"), std::string::npos) << name;
}

TEST(OpenUnmix, SoftMasksShareTheMixture) {
  const torch::NoGradGuard no_grad;
  const auto mix = torch::randn({1, 2, 4000});
  EXPECT_LE(Difference(Make("softmask: true")->forward(mix).sum(1), mix), 1e-5);
  EXPECT_GT(Difference(Make("")->forward(mix).sum(1), mix), 1e-2);
}

TEST(OpenUnmix, ExcerptsOfTheFilterDoNotTouchEachOther) {
  const torch::NoGradGuard no_grad;
  const auto model = Make("niter: 1, wiener_win_len: 16, unidirectional: true");
  auto mix = torch::randn({1, 2, 64 * 64});
  const auto before = model->forward(mix);
  mix.slice(2, 48 * 64).mul_(0.25);  // seen by the third and fourth of four excerpts
  const auto after = model->forward(mix);
  const std::int64_t end = 30 * 64;
  EXPECT_LE(Difference(before.slice(3, 0, end), after.slice(3, 0, end)), 1e-6);
  // Where all share their covariances, what comes later is heard.
  const auto whole = Make("niter: 1, wiener_win_len: 0, unidirectional: true");
  const auto quiet_end = whole->forward(mix);
  mix.slice(2, 48 * 64).mul_(4.0);
  EXPECT_GT(Difference(whole->forward(mix).slice(3, 0, end), quiet_end.slice(3, 0, end)), 1e-5);
}

TEST(OpenUnmix, TheFilterStaysFiniteOnSilenceAndKeepsIt) {
  const torch::NoGradGuard no_grad;
  auto mix = torch::randn({1, 2, 4000});
  mix.slice(2, 1000, 3000).zero_();
  const auto estimates = Make("niter: 2, residual: true")->forward(mix);
  EXPECT_TRUE(estimates.isfinite().all().item<bool>());
  EXPECT_LE(estimates.slice(3, 1400, 2600).abs().max().item<double>(), 1e-6);
}

TEST(OpenUnmix, MaxBinIsWhatTheBandwidthComesTo) {
  // 16 kHz of 44.1 kHz in 129 bins of 172 Hz: bins 0 to 92.
  const auto shape = [](const std::string& options) {
    for (const auto& [name, tensor] : Make(options)->StateDict())
      if (name == "target_models.stem0.input_mean") return tensor.size(0);
    return std::int64_t{0};
  };
  EXPECT_EQ(shape(""), 93);
  EXPECT_EQ(shape("max_bin: 50"), 50);
  EXPECT_EQ(shape("bandwidth_hz: 22050"), 129);
  EXPECT_EQ(shape("bandwidth_hz: 1e6"), 129);
}

TEST(OpenUnmix, RefusesWhatCannotBe) {
  EXPECT_THROW(MakeModel(Config::Parse("{name: open_unmix, hop: 1000}", "m.yaml"), Setting()),
               Error);
  EXPECT_THROW(Make("max_bin: 130"), Error);
  EXPECT_THROW(Make("", Setting(), 15), Error);
  EXPECT_NO_THROW(Make("unidirectional: true", Setting(), 15));
  EXPECT_THROW(Make("residual: true", Setting(1)), Error);
  EXPECT_THROW(Make("niter: 1", Setting(1)), Error);
  EXPECT_THROW(Make("niter: 1", Setting(2, 3)), Error);
  ModelSetting dotted = Setting(2);
  dotted.stems[1] = "kick.in";
  EXPECT_THROW(Make("", dotted), Error);
}

}  // namespace
}  // namespace stemsmith::testing::open_unmix_test
