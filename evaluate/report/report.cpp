#include "evaluate/report/report.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "core/utc_text.h"
#include "evaluate/report/page.h"
#include "evaluate/report/report_parts.h"
#include "html/html.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kSdr[] = "SDR";

double SdrOf(const Json& stems, const std::string& stem) {
  if (!stems.contains(stem) || !stems[stem].contains(kSdr)) return std::nan("");
  const Json& mean = stems[stem][kSdr]["mean"];
  return mean.is_number() ? mean.get<double>() : std::nan("");
}

// Of the stems that there are figures of.
double MeanSdrOf(const EvaluationReport& report, const Json& stems) {
  double sum = 0;
  int count = 0;
  for (const std::string& stem : report.stems)
    if (const double sdr = SdrOf(stems, stem); std::isfinite(sdr)) sum += sdr, ++count;
  return count > 0 ? sum / count : std::nan("");
}

// What `method` gains over the floor, as stems of aggregates, and whether as its opposite.
std::pair<Json, double> Gains(const EvaluationReport& report, const std::string& method) {
  for (const Json& difference : report.differences) {
    if (difference["method"] == method && difference["other"] == report.floor)
      return {difference["stems"], 1};
    if (difference["other"] == method && difference["method"] == report.floor)
      return {difference["stems"], -1};
  }
  return {Json::object(), 1};
}

std::string Facts(const EvaluationReport& report) {
  std::set<std::string> songs;
  std::map<std::string, double> seconds;
  for (const ReportedMethod& method : report.methods)
    for (const SongEvaluation& song : method.songs) seconds[song.song] = song.seconds;
  double total = 0;
  for (const auto& [song, length] : seconds) total += length;
  std::vector<std::string> metrics;
  for (const ReportedMetric& metric : ReportedMetrics(report.options))
    metrics.push_back(metric.name);
  const std::string window = report.options.window_seconds > 0
                                 ? FigureText("%.3g s", report.options.window_seconds) + " every " +
                                       FigureText("%.3g s", report.options.hop_seconds)
                                 : "the whole song";
  std::string facts =
      Fact("Songs", std::to_string(seconds.size()) + " (" + FormatDuration(total) + ")");
  if (report.methods.size() > 1) facts += Fact("Methods", std::to_string(report.methods.size()));
  facts += Fact("Stems", JoinNames(report.stems)) + Fact("Figures", JoinNames(metrics)) +
           Fact("BSS eval", report.options.filters_per_window ? "version 3" : "version 4") +
           Fact("Windows", window);
  if (!report.failures.empty()) facts += Fact("Failed", std::to_string(report.failures.size()));
  return facts;
}

// Methods and stems: mean SDR, and what it gains over the floor.
std::string Table(const EvaluationReport& report) {
  std::string html = "<thead><tr><th scope=\"col\">Method</th>";
  for (const std::string& stem : report.stems)
    html += "<th scope=\"col\">" + Escaped(stem) + "</th>";
  html += "<th scope=\"col\">mean</th></tr></thead><tbody>\n";
  for (const ReportedMethod& method : report.methods) {
    const Json stems = AggregatesByStem(method.songs);
    const auto [gains, sign] = Gains(report, method.name);
    const auto cell = [&](double mean, double gain) {
      return "<td>" + FigureText("%.2f", mean) +
             (std::isfinite(gain) ? FigureText(" <small>(%+.2f)</small>", gain) : "") + "</td>";
    };
    html += "<tr><th scope=\"row\">" + Escaped(method.name) + "</th>";
    for (const std::string& stem : report.stems)
      html += cell(SdrOf(stems, stem), sign * SdrOf(gains, stem));
    html += cell(MeanSdrOf(report, stems), sign * MeanSdrOf(report, gains)) + "</tr>\n";
  }
  return html + "</tbody>";
}

std::string TableNote(const EvaluationReport& report) {
  std::string note = "Mean SDR over songs in dB (BSS eval " +
                     std::string(report.options.filters_per_window ? "3" : "4") +
                     ", medians over windows)";
  if (!report.floor.empty())
    note += "; in brackets: more than the " + Escaped(report.floor) + ", over the same songs";
  return note + ".";
}

std::string List(const std::string& head, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string html = "<details class=\"note\"" + std::string(lines.size() <= 5 ? " open" : "") +
                     "><summary>" + head + "</summary><ul>";
  for (const std::string& line : lines) html += "<li>" + Escaped(line) + "</li>";
  return html + "</ul></details>\n";
}

std::string Notes(const EvaluationReport& report) {
  std::vector<std::string> lines;
  for (const ReportedMethod& method : report.methods)
    for (const SongEvaluation& song : method.songs)
      for (const std::string& note : song.notes) {
        const bool of_song = note.starts_with("the reference") || report.methods.size() == 1;
        std::string line = (of_song ? "" : method.name + ", ") + song.song + ": " + note;
        if (std::find(lines.begin(), lines.end(), line) == lines.end())
          lines.push_back(std::move(line));
      }
  return List("What failed", report.failures) + List("Notes", lines);
}

std::string Excerpts(const EvaluationReport& report, const fs::path& folder) {
  const std::string songs = ExcerptsHtml(report, folder);
  if (songs.empty()) return "";
  return "<h2 id=\"listen\">To hear and to see</h2>\n<p class=\"muted\">Choose another stem or "
         "sound while a song plays: it goes on at the same place. A click on a spectrogram goes "
         "there. The mixture is the sum of the references. Colours show 80 dB below the loudest "
         "point of the song's sounds.</p>\n" +
         songs;
}

}  // namespace

bool HasEvaluationReport() { return evaluation_page::kHtml[0] != '\0'; }

void RequireEvaluationReport(const fs::path& file) {
  if (HasEvaluationReport()) return;
  throw Error::Usage("this build has no reports", file.string(),
                     "build with -DSTEMSMITH_REPORT=ON (tools/setup.sh installs what it needs)");
}

void WriteEvaluationReport(const fs::path& file, const EvaluationReport& report) {
  RequireEvaluationReport(file);
  namespace page = evaluation_page;
  const fs::path parent = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const PendingFolder sounds(parent);  // holds the excerpts while they are encoded
  const std::string text =
      FilledIn(page::kHtml, {{"{{TITLE}}", Escaped(report.title)},
                             {"{{LICENSE}}", page::kChartLicense},
                             {"{{PALETTE}}", Palette()},
                             {"{{CSS}}", std::string(kBaseCss) + page::kCss},
                             {"{{TITLE}}", Escaped(report.title)},
                             {"{{SUBTITLE}}", "Written " + UtcText("%Y-%m-%d %H:%M UTC") +
                                                  " by stemsmith " STEMSMITH_VERSION},
                             {"{{FACTS}}", Facts(report)},
                             {"{{NOTES}}", Notes(report)},
                             {"{{TABLE}}", Table(report)},
                             {"{{TABLE_NOTE}}", TableNote(report)},
                             {"{{EXCERPTS}}", Excerpts(report, sounds.folder())},
                             {"{{DATA}}", ScriptJson(ReportData(report))},
                             {"{{CHART_JS}}", page::kChartJs},
                             {"{{JS}}", std::string(page::kCommonJs) + page::kChartsJs +
                                            page::kTableJs + page::kPlayersJs}});
  WriteFileAtomically(file, text);
}

}  // namespace stemsmith
