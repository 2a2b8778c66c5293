#include "train/validation.h"

#include <gmock/gmock.h>

#include <cmath>

#include "evaluate/metrics.h"
#include "tests/train/training_fixture.h"

namespace stemsmith {
namespace {

// Gives every stem half of the mixture.
class HalfModel : public SeparationModel {
 public:
  explicit HalfModel(ModelSetting setting) : SeparationModel(std::move(setting)) {}
  torch::Tensor Separate(const torch::Tensor& mix) override {
    return (mix * 0.5).unsqueeze(1).expand({-1, 2, -1, -1}).contiguous();
  }
  LengthRule length_rule() const override { return {.dynamic = true}; }
};

class ValidationTest : public ::testing::Test {
 protected:
  ValidationFigures Run(std::int64_t segment_frames, std::int64_t max_segments = 0) {
    const CacheReader cache(testing::MakeCache(folder_ / "cache.h5"));
    ValidationOptions options;
    options.segment_frames = segment_frames;
    options.max_segments = max_segments;
    options.batch_size = 3;
    const Validation validation(cache, options);
    segments_ = validation.segments();
    const auto model = std::make_shared<HalfModel>(
        ModelSetting{cache.stems(), cache.sample_rate_hz(), cache.channels()});
    model->train();
    const Objective objective(Config(), cache, model, torch::kCPU);
    const ValidationFigures figures = validation.Run(objective, torch::kCPU);
    EXPECT_TRUE(model->is_training());
    return figures;
  }
  testing::TemporaryFolder folder_;
  std::int64_t segments_ = 0;
};

TEST_F(ValidationTest, GivesTheSdrOfWholeSongs) {
  const ValidationFigures figures = Run(700);  // 4000 frames: the last segment is filled up
  EXPECT_EQ(segments_, 12);
  for (int stem = 0; stem < 2; ++stem) {
    std::vector<double> sdr, mixture_sdr;
    for (const int song : {100, 101}) {
      const std::vector<float> stems = testing::TwoStems(4000, song);
      std::vector<float> half(4000), mixture(4000);
      for (int t = 0; t < 4000; ++t) {
        mixture[t] = stems[t] + stems[4000 + t];
        half[t] = 0.5f * mixture[t];
      }
      const std::span<const float> reference(stems.data() + 4000 * stem, 4000);
      sdr.push_back(SignalToDistortionDb(reference, half));
      mixture_sdr.push_back(SignalToDistortionDb(reference, mixture));
    }
    EXPECT_NEAR(figures.sdr_db[stem], (sdr[0] + sdr[1]) / 2, 1e-3);
    EXPECT_NEAR(figures.mixture_sdr_db[stem], (mixture_sdr[0] + mixture_sdr[1]) / 2, 1e-3);
  }
  EXPECT_NEAR(figures.mean_sdr_db, (figures.sdr_db[0] + figures.sdr_db[1]) / 2, 1e-9);
}

TEST_F(ValidationTest, LimitSpreadsOverAllSongs) {
  const ValidationFigures all = Run(1000), few = Run(1000, 4);
  EXPECT_EQ(segments_, 4);
  // Both songs are still heard: the median over the songs stays between theirs.
  EXPECT_NEAR(few.sdr_db[0], all.sdr_db[0], 1.0);
  EXPECT_EQ(Run(1000, 4).loss, few.loss);
}

TEST_F(ValidationTest, NoSongsNoSegments) {
  const CacheReader cache(testing::MakeCache(folder_ / "cache.h5"));
  ValidationOptions options;
  options.split = "nothing";
  EXPECT_EQ(Validation(cache, options).segments(), 0);
}

TEST_F(ValidationTest, NotFiniteBecomesNull) {
  ValidationFigures figures;
  figures.sdr_db = {std::nan(""), 3.0};
  figures.mixture_sdr_db = {std::nan(""), 1.0};
  const nlohmann::json json = figures.ToJson({"a", "b"});
  EXPECT_TRUE(json["sdr_db"]["a"].is_null());
  EXPECT_EQ(json["sdr_db"]["b"], 3.0);
}

}  // namespace
}  // namespace stemsmith
