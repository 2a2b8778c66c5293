#include <algorithm>
#include <cmath>

#include "core/json_fields.h"
#include "evaluate/report/report_parts.h"
#include "evaluate/song_metric.h"
#include "picture/stem_colours.h"

namespace stemsmith {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostWindows = 2000;  // of a method, stem and metric: more are not seen

Json Rounded(double value, double digits) {
  return FiniteOrNull(std::round(value * digits) / digits);
}

// [mean, low, high, songs], or null where there is no figure.
Json Interval(const Json& stems, const std::string& stem, const std::string& metric) {
  if (!stems.contains(stem) || !stems[stem].contains(metric)) return nullptr;
  const Json& aggregate = stems[stem][metric];
  if (!aggregate["mean"].is_number()) return nullptr;
  return {Rounded(aggregate["mean"], 1e4), Rounded(aggregate["mean_95_low"], 1e4),
          Rounded(aggregate["mean_95_high"], 1e4), aggregate["songs"]};
}

Json Intervals(const EvaluationReport& report, const std::vector<ReportedMetric>& metrics,
               const Json& stems) {
  Json all = Json::array();
  for (const std::string& stem : report.stems) {
    Json row = Json::array();
    for (const ReportedMetric& metric : metrics) row.push_back(Interval(stems, stem, metric.name));
    all.push_back(row);
  }
  return all;
}

std::ptrdiff_t IndexOf(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : found - names.begin();
}

// [stem][metric] of a song.
Json FiguresOf(const EvaluationReport& report, const std::vector<ReportedMetric>& metrics,
               const SongEvaluation& song) {
  Json rows = Json::array();
  for (const std::string& stem : report.stems) {
    const std::ptrdiff_t s = IndexOf(song.stems, stem);
    Json row = Json::array();
    for (const ReportedMetric& metric : metrics) {
      const auto found = song.figures.find(metric.name);
      const bool has = s >= 0 && found != song.figures.end();
      row.push_back(has ? Rounded(found->second[static_cast<std::size_t>(s)], 1e4) : Json(nullptr));
    }
    rows.push_back(row);
  }
  return rows;
}

// {metric: [stem][…]} of all songs one after another; evenly picked where they are very many.
Json WindowsOf(const EvaluationReport& report, const ReportedMethod& method) {
  Json all = Json::object();
  for (const auto& [metric, values] : kWindowFigures) {
    Json& rows = all[metric] = Json::array();
    for (const std::string& stem : report.stems) {
      std::vector<double> finite;
      for (const SongEvaluation& song : method.songs) {
        const std::ptrdiff_t s = IndexOf(song.stems, stem);
        const auto& of_song = song.bss.*values;
        if (s < 0 || static_cast<std::size_t>(s) >= of_song.size()) continue;
        for (const double value : of_song[static_cast<std::size_t>(s)])
          if (std::isfinite(value)) finite.push_back(value);
      }
      Json row = Json::array();
      const std::size_t count = std::min(finite.size(), kMostWindows);
      for (std::size_t i = 0; i < count; ++i)
        row.push_back(Rounded(finite[(2 * i + 1) * finite.size() / (2 * count)], 1e2));
      rows.push_back(row);
    }
  }
  return all;
}

std::vector<std::string> SongNames(const EvaluationReport& report) {
  std::vector<std::string> names;
  for (const ReportedMethod& method : report.methods)
    for (const SongEvaluation& song : method.songs)
      if (IndexOf(names, song.song) < 0) names.push_back(song.song);
  return names;
}

}  // namespace

std::vector<ReportedMetric> ReportedMetrics(const EvaluationOptions& options) {
  std::vector<ReportedMetric> metrics = {
      {"SDR", "dB", "the stem over all distortion", true, true},
      {"ISR", "dB", "the stem over spatial distortion", true, true},
      {"SIR", "dB", "the stem over interference from other stems", true, true},
      {"SAR", "dB", "the stem over artefacts", true, true}};
  for (const SongMetricRow& row : SongMetricTable())
    if (IndexOf(options.song_metrics, row.name) >= 0)
      metrics.push_back({row.name, *row.unit == '\0' ? "points of 100" : row.unit, row.summary,
                         row.higher_is_better, false});
  return metrics;
}

nlohmann::json ReportData(const EvaluationReport& report) {
  const std::vector<ReportedMetric> metrics = ReportedMetrics(report.options);
  const std::vector<std::string> songs = SongNames(report);
  std::vector<std::string> names;
  for (const ReportedMethod& method : report.methods) names.push_back(method.name);
  Json of_metrics = Json::array(), methods = Json::array(), differences = Json::array();
  for (const ReportedMetric& metric : metrics)
    of_metrics.push_back({{"name", metric.name},
                          {"unit", metric.unit},
                          {"about", metric.summary},
                          {"higher", metric.higher_is_better},
                          {"windows", metric.has_windows}});
  for (const ReportedMethod& method : report.methods) {
    Json figures = Json::array();
    for (std::size_t i = 0; i < songs.size(); ++i) figures.push_back(nullptr);
    for (const SongEvaluation& song : method.songs)
      figures[static_cast<std::size_t>(IndexOf(songs, song.song))] =
          FiguresOf(report, metrics, song);
    methods.push_back({{"name", method.name},
                       {"speed", method.times_real_time > 0 ? Rounded(method.times_real_time, 1e3)
                                                            : Json(nullptr)},
                       {"figures", figures},
                       {"windows", WindowsOf(report, method)},
                       {"means", Intervals(report, metrics, AggregatesByStem(method.songs))}});
  }
  for (const Json& difference : report.differences)
    differences.push_back({{"method", IndexOf(names, difference["method"])},
                           {"other", IndexOf(names, difference["other"])},
                           {"means", Intervals(report, metrics, difference["stems"])}});
  Json colours = {{"light", Json::array()}, {"dark", Json::array()}};
  for (int i = 0; i < kStemColours; ++i) {
    colours["light"].push_back(HexColour(StemColour(i, false)));
    colours["dark"].push_back(HexColour(StemColour(i, true)));
  }
  return {{"stems", report.stems},
          {"stemColours", StemColourIndices(report.stems)},
          {"colours", colours},
          {"metrics", of_metrics},
          {"songs", songs},
          {"methods", methods},
          {"floor", IndexOf(names, report.floor)},
          {"windowSeconds", report.options.window_seconds},
          {"differences", differences}};
}

}  // namespace stemsmith
