#include "evaluate/songs/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "evaluate/song_metric.h"
#include "tests/evaluate/memory_pair.h"

namespace stemsmith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryPair;
using testing::RandomPair;

SongEvaluation Evaluated(MemoryPair& song, const std::string& name = "song") {
  EvaluationOptions options;
  options.song_metrics.clear();
  for (const SongMetricRow& row : SongMetricTable()) options.song_metrics.push_back(row.name);
  return EvaluateSong(song, 4000, name, {"bass", "drums"}, options);
}

TEST(Evaluation, HasAllMetricsOfEachStem) {
  MemoryPair song = RandomPair(2, 2, 9000);
  const SongEvaluation result = Evaluated(song);
  EXPECT_EQ(result.figures.size(), SongMetricTable().size() + 4);
  for (const auto& [metric, figures] : result.figures) {
    ASSERT_EQ(figures.size(), 2u) << metric;
    EXPECT_TRUE(std::isfinite(figures[0]) && std::isfinite(figures[1])) << metric;
  }
  EXPECT_THAT(result.notes, ElementsAre());
  EXPECT_THROW(EvaluateSong(song, 4000, "song", {"bass", "drums"}, {.song_metrics = {"sdri"}}),
               Error);
}

TEST(Evaluation, IsTheSameTwice) {
  MemoryPair song = RandomPair(2, 2, 9000);
  const std::vector<SongEvaluation> one = {Evaluated(song)}, two = {Evaluated(song)};
  EXPECT_EQ(EvaluationSummary(one).dump(), EvaluationSummary(two).dump());
  EXPECT_EQ(MusevalJson(one[0]), MusevalJson(two[0]));
  EXPECT_EQ(EvaluationCsv(one), EvaluationCsv(two));
}

TEST(Evaluation, SilenceIsNotedAndIsNoNumberInJson) {
  MemoryPair song = RandomPair(2, 1, 9000);
  std::fill_n(song.estimate(1).channel(0), 9000, 0.0f);
  const SongEvaluation result = Evaluated(song);
  EXPECT_THAT(result.notes, ElementsAre(HasSubstr("the estimate of drums is silent")));
  EXPECT_THAT(EvaluationSummary({result}).dump(), HasSubstr("\"SDR\":null"));
  EXPECT_THAT(MusevalJson(result), HasSubstr("\"SDR\": NaN"));
  EXPECT_THAT(EvaluationCsv({result}), HasSubstr("song,drums,SDR,\n"));
  EXPECT_THAT(EvaluationTable({result}), HasSubstr("-"));
}

TEST(Evaluation, SongsShorterThanAnySpectrumHaveNoSpectralFigures) {
  MemoryPair song = RandomPair(2, 1, 300);
  const SongEvaluation result = Evaluated(song);
  EXPECT_TRUE(std::isnan(result.figures.at("lsd")[0]));
  EXPECT_TRUE(std::isnan(result.figures.at("fullness")[0]));
  EXPECT_TRUE(std::isfinite(result.figures.at("snr")[0]));
}

TEST(Evaluation, CellsOfTheTableAreQuoted) {
  MemoryPair song = RandomPair(2, 1, 4000);
  EXPECT_THAT(EvaluationCsv({Evaluated(song, "a, \"b\"")}),
              HasSubstr("\n\"a, \"\"b\"\"\",bass,SDR,"));
}

TEST(Aggregate, IsOfFiniteFiguresWithLinearQuartiles) {
  const double nan = std::nan("");
  const Aggregate aggregate =
      AggregateOf({4, nan, 1, 2, 10, std::numeric_limits<double>::infinity()});
  EXPECT_EQ(aggregate.songs, 4);
  EXPECT_EQ(aggregate.median, 3);
  EXPECT_EQ(aggregate.mean, 4.25);
  EXPECT_EQ(aggregate.lower_quartile, 1.75);  // numpy.quantile([1, 2, 4, 10], 0.25)
  EXPECT_EQ(aggregate.upper_quartile, 5.5);
  EXPECT_GT(aggregate.mean_low, 1);
  EXPECT_LT(aggregate.mean_low, aggregate.mean);
  EXPECT_GT(aggregate.mean_high, aggregate.mean);
  EXPECT_LT(aggregate.mean_high, 10);
  EXPECT_TRUE(std::isnan(AggregateOf({nan}).median));
}

}  // namespace
}  // namespace stemsmith
