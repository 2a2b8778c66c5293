// What the best checkpoint is, and stopping when none gets better.
#include "train/best_metric.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith::best_metric_test {

using ::testing::HasSubstr;
using testing::MessageOf;

const std::vector<std::string> kStems = {"vocals", "drums"};

BestMetric Metric(const std::string& name, bool audio = true) {
  return BestMetric(Config::Parse("metric: " + name, "test"), kStems, audio);
}

nlohmann::json Figures(double loss, nlohmann::json mean, nlohmann::json vocals) {
  return {{"loss", loss}, {"mean_sdr_db", mean}, {"sdr_db", {{"vocals", vocals}, {"drums", 1.0}}}};
}

TEST(BestMetric, ComparesWhatItNames) {
  const auto a = Figures(0.1, 5.0, 2.0), b = Figures(0.2, 6.0, 1.0);
  EXPECT_TRUE(Metric("loss").IsBetter(a, b));
  EXPECT_FALSE(Metric("loss").IsBetter(b, a));
  EXPECT_TRUE(Metric("sdr").IsBetter(b, a));
  EXPECT_FALSE(Metric("sdr").IsBetter(a, a));
  EXPECT_TRUE(Metric("sdr.vocals").IsBetter(a, b));
  EXPECT_TRUE(Metric("sdr.drums").IsBetter(a, nullptr)) << "anything is better than nothing";
  EXPECT_FALSE(Metric("sdr").IsBetter(a, b));
  // Of whole songs: only validations that judged some.
  nlohmann::json songs = a;
  songs["songs"] = {{"mean_nsdr_db", 1.0}, {"nsdr_db", {{"vocals", 2.0}, {"drums", 0.0}}}};
  EXPECT_TRUE(Metric("song_nsdr").IsBetter(songs, nullptr));
  EXPECT_TRUE(Metric("song_nsdr.vocals").IsBetter(songs, nullptr));
  EXPECT_FALSE(Metric("song_nsdr").Judges(a));
  EXPECT_FALSE(Metric("song_nsdr").IsBetter(a, nullptr));
  EXPECT_TRUE(Metric("song_nsdr").IsBetterOnSegments(b, a));
}

TEST(BestMetric, TheLossDecidesWhereThereIsNoValue) {
  const auto silent = Figures(0.1, nullptr, nullptr), worse = Figures(0.2, nullptr, nullptr);
  EXPECT_TRUE(Metric("sdr.vocals").IsBetter(silent, worse));
  EXPECT_FALSE(Metric("sdr.vocals").IsBetter(worse, silent));
  EXPECT_FALSE(Metric("loss").IsBetter(nlohmann::json{{"loss", nullptr}}, nullptr));
}

TEST(BestMetric, WithoutAudioTheLossDecides) {
  EXPECT_EQ(Metric("sdr", /*audio=*/false).name(), "loss");
  EXPECT_THROW(Metric("sdr.vocals", /*audio=*/false), Error);
}

// A model without statistics of batches: with a learning rate of 0 it stays what it is.
constexpr char kSteady[] = "model={name: demucs_v2, channels: 4, depth: 2}";

class EarlyStop : public testing::TrainingTest {};

TEST_F(EarlyStop, UnknownMetricsNameTheNearest) {
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"validate.metric=sdr.hihg"}); }),
              HasSubstr("did you mean 'sdr.high'"));
}

TEST_F(EarlyStop, TheBestIsTheBestOfItsStem) {
  const TrainResult result = RunTraining(
      "run", {"validate.metric=sdr.low", "validate.every_steps=1", "optimizer.lr=0.05"});
  double best = -1e9;
  for (const auto& record : MetricsLog::Read(folder_ / "run/metrics.jsonl"))
    if (record["event"] == "validation") best = std::max<double>(best, record["sdr_db"]["low"]);
  EXPECT_EQ(result.best["sdr_db"]["low"], best);
}

TEST_F(EarlyStop, StopsWhenNothingGetsBetter) {
  const auto settings = [](const std::string& patience) {
    return std::vector<std::string>{kSteady, "optimizer.lr=0", "validate.every_steps=2",
                                    "validate.patience=" + patience};
  };
  // The first validation is the best; two more are as good.
  EXPECT_EQ(RunTraining("run", settings("2")).step, 6);
  EXPECT_EQ(RunTraining("run", settings("2"), true).step, 6) << "it stays stopped";
  EXPECT_EQ(RunTraining("run", settings("3"), true).step, 8);
  EXPECT_EQ(RunTraining("run", settings("0"), true).step, 12);
}

TEST_F(EarlyStop, CountsOnWhereItWasCutOff) {
  const std::vector<std::string> settings = {kSteady, "optimizer.lr=0", "validate.every_steps=2",
                                             "validate.patience=3"};
  RunTraining("whole", settings);
  EXPECT_THROW(RunTraining("parts", settings, false,
                           [](std::int64_t step) {
                             if (step == 5) throw std::runtime_error("crash");
                           }),
               std::runtime_error);
  EXPECT_EQ(RunTraining("parts", settings, true).step, 8);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

TEST_F(EarlyStop, PatienceWithoutValidationIsAContradiction) {
  EXPECT_THAT(MessageOf([&] {
                RunTraining("run", {"validate.every_steps=0", "validate.patience=3"});
              }),
              HasSubstr("patience"));
}

}  // namespace stemsmith::best_metric_test
