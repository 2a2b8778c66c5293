#include "train/input_statistics.h"

#include "tests/train/training_fixture.h"

namespace stemsmith::testing::input_statistics_test {
namespace {

constexpr char kUnmix[] =
    "model: {name: open_unmix, n_fft: 64, hop: 32, hidden_size: 4, nb_layers: 1}\n"
    "augment: [{name: gain}]\n"
    "validate: {every_steps: 0}\n";

// Keeps what it is shown.
class Listener : public SeparationModel {
 public:
  Listener()
      : SeparationModel({.stems = {"low", "high"}, .sample_rate_hz = kRate, .channels = 1}) {}
  torch::Tensor Separate(const torch::Tensor& mix) override { return torch::stack({mix, mix}, 1); }
  LengthRule length_rule() const override { return {true, 0, 1}; }
  void UseStatistics(const std::function<torch::Tensor()>& next) override {
    for (torch::Tensor mix = next(); mix.defined(); mix = next()) heard.push_back(mix);
  }
  std::vector<torch::Tensor> heard;
};

std::vector<torch::Tensor> Heard(const CacheReader& cache, std::int64_t segment_frames) {
  Listener listener;
  ShowTrainingSongs(cache, segment_frames, torch::kCPU, listener);
  return listener.heard;
}

// The mixture of frames [start, start + frames) of training song `song` of MakeCache.
torch::Tensor Mixture(int song, std::int64_t start, std::int64_t frames) {
  std::vector<float> stems = TwoStems(kRate / 2, 1 + song);
  const auto both =
      torch::from_blob(stems.data(), {2, 1, kRate / 2}).slice(2, start, start + frames);
  return both.sum(0);
}

class InputStatistics : public TrainingTest {
 protected:
  TrainResult TrainUnmix(const std::string& run, const std::string& settings, bool resume = false) {
    const std::filesystem::path cache = folder_ / "cache.h5";
    if (!std::filesystem::exists(cache)) MakeCache(cache);
    WriteFile(folder_ / "unmix.yaml", "dataset: {cache: " + cache.string() +
                                          ", segment_seconds: 0.1}\n" + kUnmix + settings);
    TrainRequest request = Request(run);
    request.resume = resume;
    return Train(Config::Load(folder_ / "unmix.yaml"), request);
  }
  torch::Tensor Weight(const std::string& run, const std::string& name) {
    for (const auto& [key, tensor] : LoadCheckpoint(CheckpointPath(run, "last")).weights)
      if (key == "target_models.low." + name) return tensor;
    return {};
  }
};

TEST_F(InputStatistics, AreTakenFromEvenlySpreadSegmentsOfTheTrainingSongs) {
  const CacheReader cache(MakeCache(folder_ / "cache.h5"));
  const auto few = Heard(cache, 800);  // five in each of three songs
  ASSERT_EQ(few.size(), 15u);
  for (int i = 0; i < 15; ++i) {
    const auto expected = Mixture(i / 5, i % 5 * 800, 800);
    EXPECT_LE((few[i] - expected).abs().max().item<double>(), 1e-6) << i;
  }
  const auto many = Heard(cache, 16);  // 128 of 750
  ASSERT_EQ(many.size(), 128u);
  EXPECT_TRUE(torch::allclose(many.front(), Mixture(0, 0, 16), 0, 1e-6));
  const std::int64_t last = 127 * 750 / 128;
  EXPECT_TRUE(torch::allclose(many.back(), Mixture(2, (last - 500) * 16, 16), 0, 1e-6));
  // A song shorter than a segment counts whole, silence behind it.
  const auto whole = Heard(cache, kRate);
  ASSERT_EQ(whole.size(), 3u);
  EXPECT_EQ(whole[1].slice(1, kRate / 2).abs().max().item<double>(), 0.0);
}

TEST_F(InputStatistics, MakeTheInputOfOpenUnmixOfMeanZeroAndDeviationOne) {
  TrainUnmix("run", "train: {steps: 1, batch_size: 2}\noptimizer: {lr: 1e-12}\n");
  const auto mean = Weight("run", "input_mean"), scale = Weight("run", "input_scale");
  const auto window = torch::hann_window(64);
  std::vector<torch::Tensor> frames;
  for (int song = 0; song < 3; ++song)
    for (int i = 0; i < 5; ++i)
      frames.push_back(torch::stft(Mixture(song, i * 800, 800), 64, 32, 64, window, /*center=*/true,
                                   "reflect", false, true, /*return_complex=*/true)
                           .abs()[0]);
  const auto seen = torch::cat(frames, 1).slice(0, 0, mean.size(0));  // [F, N]
  const auto input = (seen + mean.unsqueeze(1)) * scale.unsqueeze(1);
  EXPECT_LE(input.mean(1).abs().max().item<double>(), 1e-4);
  EXPECT_LE((input.std(1, /*unbiased=*/false) - 1).abs().max().item<double>(), 1e-3);
}

TEST_F(InputStatistics, StartTheAverageOfTheWeightsToo) {
  // Without validation the average stands in place of the weights.
  TrainUnmix("run",
             "train: {steps: 1, batch_size: 2}\noptimizer: {lr: 1e-12}\nema: {batch: [0.9]}\n");
  TrainUnmix("raw", "train: {steps: 1, batch_size: 2}\noptimizer: {lr: 1e-12}\n");
  EXPECT_TRUE(torch::allclose(Weight("run", "input_mean"), Weight("raw", "input_mean"), 1e-4));
  EXPECT_GT(Weight("raw", "input_mean").abs().max().item<double>(), 0.1);
}

TEST_F(InputStatistics, AreNotTakenAgainOnResuming) {
  const std::string optimizer = "optimizer: {lr: 0.05}\n";
  TrainUnmix("whole", "train: {steps: 6, batch_size: 2}\n" + optimizer);
  TrainUnmix("parts", "train: {steps: 3, batch_size: 2}\n" + optimizer);
  TrainUnmix("parts", "train: {steps: 6, batch_size: 2}\n" + optimizer, /*resume=*/true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

}  // namespace
}  // namespace stemsmith::testing::input_statistics_test
