#include <algorithm>
#include <cmath>

#include "core/json_fields.h"
#include "core/random.h"
#include "core/text.h"
#include "evaluate/metrics.h"
#include "evaluate/songs/evaluation.h"

namespace stemsmith {
namespace {

constexpr int kDraws = 2000;
constexpr std::uint64_t kSeed = 1;

// Linear between neighbours, as numpy's and pandas' quantiles.
double Quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// stem → metric → a figure per song; stems in the order of their first song.
using Figures = std::vector<std::pair<std::string, std::map<std::string, std::vector<double>>>>;
Figures ByStem(const std::vector<SongEvaluation>& songs) {
  Figures all;
  for (const SongEvaluation& song : songs) {
    for (std::size_t s = 0; s < song.stems.size(); ++s) {
      auto row = std::find_if(all.begin(), all.end(),
                              [&](const auto& entry) { return entry.first == song.stems[s]; });
      if (row == all.end()) row = all.insert(all.end(), {song.stems[s], {}});
      for (const auto& [metric, figures] : song.figures) row->second[metric].push_back(figures[s]);
    }
  }
  return all;
}

nlohmann::json Json(const Aggregate& aggregate) {
  return {{"median", FiniteOrNull(aggregate.median)},
          {"mean", FiniteOrNull(aggregate.mean)},
          {"mean_95_low", FiniteOrNull(aggregate.mean_low)},
          {"mean_95_high", FiniteOrNull(aggregate.mean_high)},
          {"lower_quartile", FiniteOrNull(aggregate.lower_quartile)},
          {"upper_quartile", FiniteOrNull(aggregate.upper_quartile)},
          {"songs", aggregate.songs}};
}

}  // namespace

Aggregate AggregateOf(std::vector<double> figures) {
  std::erase_if(figures, [](double v) { return !std::isfinite(v); });
  Aggregate result;
  result.songs = static_cast<int>(figures.size());
  if (figures.empty()) {
    result.median = result.mean = result.lower_quartile = result.upper_quartile = result.mean_low =
        result.mean_high = std::nan("");
    return result;
  }
  std::sort(figures.begin(), figures.end());
  result.median = Median(figures);
  result.mean = Mean(figures);
  result.lower_quartile = Quantile(figures, 0.25);
  result.upper_quartile = Quantile(figures, 0.75);
  RandomStream random({kSeed});
  std::vector<double> means(kDraws), draw(figures.size());
  for (double& mean : means) {
    for (double& value : draw) value = figures[random.Below(figures.size())];
    mean = Mean(draw);
  }
  std::sort(means.begin(), means.end());
  result.mean_low = Quantile(means, 0.025);
  result.mean_high = Quantile(means, 0.975);
  return result;
}

nlohmann::json EvaluationSummary(const std::vector<SongEvaluation>& songs) {
  nlohmann::json list = nlohmann::json::array();
  for (const SongEvaluation& song : songs) {
    nlohmann::json of_stems = nlohmann::json::object();
    for (std::size_t s = 0; s < song.stems.size(); ++s)
      for (const auto& [metric, figures] : song.figures)
        of_stems[song.stems[s]][metric] = FiniteOrNull(figures[s]);
    list.push_back(
        {{"name", song.song},
         {"seconds", song.seconds},
         {"stems", of_stems},
         {"windows", song.bss.begins.size()},
         {"window_seconds", song.window_seconds},
         {"hop_seconds", song.hop_seconds},
         {"dependent_channels", song.bss.dependent_channels},
         {"solver",
          {{"iterations", song.bss.iterations}, {"last_gain", FiniteOrNull(song.bss.last_gain)}}},
         {"notes", song.notes}});
  }
  return {{"songs", list}, {"stems", AggregatesByStem(songs)}};
}

nlohmann::json AggregatesByStem(const std::vector<SongEvaluation>& songs) {
  nlohmann::json stems = nlohmann::json::object();
  for (const auto& [stem, metrics] : ByStem(songs))
    for (const auto& [metric, figures] : metrics) stems[stem][metric] = Json(AggregateOf(figures));
  return stems;
}

std::string EvaluationCsvLines(const SongEvaluation& song, const std::string& method) {
  const auto cell = [](const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + '"';
  };
  const std::string begin = cell(song.song) + (method.empty() ? "" : ',' + cell(method)) + ',';
  std::string text;
  for (std::size_t s = 0; s < song.stems.size(); ++s)
    for (const auto& [metric, figures] : song.figures)
      text += begin + cell(song.stems[s]) + ',' + metric + ',' +
              (std::isfinite(figures[s]) ? Formatted("%.5f", figures[s]) : "") + '\n';
  return text;
}

std::string EvaluationCsv(const std::vector<SongEvaluation>& songs) {
  std::string text = "song,stem,metric,value\n";
  for (const SongEvaluation& song : songs) text += EvaluationCsvLines(song);
  return text;
}

std::string EvaluationTable(const std::vector<SongEvaluation>& songs) {
  const Figures all = ByStem(songs);
  std::size_t width = 4;
  std::vector<std::string> metrics = {"SDR", "ISR", "SIR", "SAR"};
  for (const auto& [stem, figures] : all) {
    width = std::max(width, stem.size());
    for (const auto& [metric, unused] : figures)
      if (std::find(metrics.begin(), metrics.end(), metric) == metrics.end())
        metrics.push_back(metric);
  }
  std::string text = Formatted("%-*s", static_cast<int>(width), "stem");
  for (const std::string& metric : metrics) text += Formatted("  %9s", metric.c_str());
  for (const auto& [stem, figures] : all) {
    text += Formatted("\n%-*s", static_cast<int>(width), stem.c_str());
    for (const std::string& metric : metrics) {
      const double median = AggregateOf(figures.at(metric)).median;
      text += std::isfinite(median) ? Formatted("  %9.2f", median) : Formatted("  %9s", "-");
    }
  }
  return text;
}

}  // namespace stemsmith
