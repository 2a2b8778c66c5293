#include "evaluate/compare/compare_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/json_fields.h"
#include "core/option.h"
#include "core/text.h"
#include "evaluate/compare/choices.h"

namespace stemsmith {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr char kSdr[] = "SDR";

double FiniteMean(const std::vector<double>& values) {
  double sum = 0;
  int count = 0;
  for (const double value : values)
    if (std::isfinite(value)) sum += value, ++count;
  return count > 0 ? sum / count : kNaN;
}

double MeanSdrOf(const std::vector<SongEvaluation>& songs, const std::string& stem) {
  std::vector<double> figures;
  for (const SongEvaluation& song : songs) {
    const auto found = std::find(song.stems.begin(), song.stems.end(), stem);
    if (found != song.stems.end())
      figures.push_back(
          song.figures.at(kSdr)[static_cast<std::size_t>(found - song.stems.begin())]);
  }
  return FiniteMean(figures);
}

const SongEvaluation* FindSong(const std::vector<SongEvaluation>& songs, const std::string& name) {
  const auto found = std::find_if(songs.begin(), songs.end(),
                                  [&](const SongEvaluation& song) { return song.song == name; });
  return found == songs.end() ? nullptr : &*found;
}

// Letters, where a byte may be a part of one.
std::size_t Letters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Padded(const std::string& text, std::size_t width, bool left) {
  const std::string space(width > Letters(text) ? width - Letters(text) : 0, ' ');
  return left ? text + space : space + text;
}

}  // namespace

double MeanSdr(const std::vector<SongEvaluation>& songs) {
  std::vector<std::string> stems;
  for (const SongEvaluation& song : songs)
    for (const std::string& stem : song.stems)
      if (std::find(stems.begin(), stems.end(), stem) == stems.end()) stems.push_back(stem);
  std::vector<double> means;
  for (const std::string& stem : stems) means.push_back(MeanSdrOf(songs, stem));
  return FiniteMean(means);
}

std::vector<SongEvaluation> Differences(const std::vector<SongEvaluation>& a,
                                        const std::vector<SongEvaluation>& b) {
  std::vector<SongEvaluation> differences;
  for (const SongEvaluation& song : a) {
    const SongEvaluation* other = FindSong(b, song.song);
    if (other == nullptr) continue;
    SongEvaluation& difference = differences.emplace_back();
    difference.song = song.song;
    for (std::size_t s = 0; s < song.stems.size(); ++s) {
      const auto found = std::find(other->stems.begin(), other->stems.end(), song.stems[s]);
      if (found == other->stems.end()) continue;
      const auto k = static_cast<std::size_t>(found - other->stems.begin());
      difference.stems.push_back(song.stems[s]);
      for (const auto& [metric, figures] : song.figures) {
        const auto of_other = other->figures.find(metric);
        if (of_other == other->figures.end()) continue;
        difference.figures[metric].push_back(figures[s] - of_other->second[k]);
      }
    }
  }
  return differences;
}

namespace {

// How many SDR there are, of songs and stems.
std::size_t FiguresOf(const MethodEvaluations& method) {
  std::size_t count = 0;
  for (const SongEvaluation& song : method.songs)
    for (const double figure : song.figures.at(kSdr)) count += std::isfinite(figure) ? 1 : 0;
  return count;
}

std::size_t MostFigures(const std::vector<MethodEvaluations>& methods) {
  std::size_t most = 0;
  for (const MethodEvaluations& method : methods) most = std::max(most, FiguresOf(method));
  return most;
}

}  // namespace

void SortByMeanSdr(std::vector<MethodEvaluations>& methods) {
  const std::size_t most = MostFigures(methods);
  const auto key = [&](const MethodEvaluations& method) {
    const double mean = MeanSdr(method.songs);
    return std::pair(FiguresOf(method) == most,
                     std::isnan(mean) ? -std::numeric_limits<double>::infinity() : mean);
  };
  std::stable_sort(methods.begin(), methods.end(),
                   [&](const auto& a, const auto& b) { return key(a) > key(b); });
}

std::string CompareFootnotes(const std::vector<MethodEvaluations>& methods) {
  const std::size_t most = MostFigures(methods);
  std::string text;
  for (const MethodEvaluations& method : methods) {
    if (FiguresOf(method) == most) continue;
    text += method.name + ": its mean is of " + std::to_string(FiguresOf(method)) +
            " figures, those of others of " + std::to_string(most) + '\n';
  }
  return text;
}

nlohmann::json CompareSummary(const std::vector<MethodEvaluations>& methods,
                              const std::vector<std::string>& stems,
                              const std::vector<CompareFailure>& failures) {
  nlohmann::json list = nlohmann::json::array(), differences = nlohmann::json::array(),
                 failed = nlohmann::json::array(), notes = nlohmann::json::array();
  for (auto method = methods.begin(); method != methods.end(); ++method) {
    list.push_back({{"name", method->name},
                    {"songs", method->songs.size()},
                    {"mean_sdr", FiniteOrNull(MeanSdr(method->songs))},
                    {"stems", AggregatesByStem(method->songs)}});
    for (auto other = std::next(method); other != methods.end(); ++other)
      differences.push_back(
          {{"method", method->name},
           {"other", other->name},
           {"stems", AggregatesByStem(Differences(method->songs, other->songs))}});
    for (const SongEvaluation& song : method->songs)
      for (const std::string& note : song.notes)
        notes.push_back({{"method", method->name}, {"song", song.song}, {"note", note}});
  }
  for (const CompareFailure& failure : failures)
    failed.push_back({{"method", failure.method},
                      {"song", failure.song},
                      {"what", ShowOptions(failure.error.problem(), OptionStyle::kName)},
                      {"where", ShowOptions(failure.error.where(), OptionStyle::kName)},
                      {"advice", ShowOptions(failure.error.advice(), OptionStyle::kName)}});
  return {{"stems", stems},
          {"methods", list},
          {"differences", differences},
          {"failed", failed},
          {"notes", notes}};
}

std::string CompareCsv(const std::vector<MethodEvaluations>& methods,
                       const std::vector<std::string>& songs) {
  std::string text = "song,method,stem,metric,value\n";
  for (const std::string& name : songs)
    for (const MethodEvaluations& method : methods)
      if (const SongEvaluation* song = FindSong(method.songs, name))
        text += EvaluationCsvLines(*song, method.name);
  return text;
}

std::string CompareTable(const std::vector<MethodEvaluations>& methods,
                         const std::vector<std::string>& stems) {
  std::vector<std::vector<std::string>> rows(1, {"method"});
  rows[0].insert(rows[0].end(), stems.begin(), stems.end());
  rows[0].push_back("mean");
  const auto floor =
      std::find_if(methods.begin(), methods.end(),
                   [](const MethodEvaluations& method) { return method.name == kFloorMethod; });
  for (const MethodEvaluations& method : methods) {
    const bool is_floor = method.name == kFloorMethod || floor == methods.end();
    const std::vector<SongEvaluation> gains =
        is_floor ? std::vector<SongEvaluation>() : Differences(method.songs, floor->songs);
    const auto cell = [&](double mean, double gain) {
      if (!std::isfinite(mean)) return std::string("-");
      return Formatted("%.2f", mean) +
             (std::isfinite(gain) ? Formatted(" (%+.2f)", gain) : std::string());
    };
    auto& row = rows.emplace_back(1, method.name);
    for (const std::string& stem : stems)
      row.push_back(cell(MeanSdrOf(method.songs, stem), MeanSdrOf(gains, stem)));
    row.push_back(cell(MeanSdr(method.songs), MeanSdr(gains)));
  }
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Letters(row[c]));
  std::string text;
  for (const auto& row : rows) {
    if (!text.empty()) text += '\n';
    for (std::size_t c = 0; c < row.size(); ++c)
      text += (c == 0 ? "" : "  ") + Padded(row[c], widths[c], c == 0);
  }
  return text;
}

}  // namespace stemsmith
