#include "train/report/report.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "audio/decode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "picture/picture.h"
#include "stemsmith_version.h"
#include "train/report/excerpt.h"
#include "train/report/html.h"
#include "train/report/page.h"
#include "train/report/run_records.h"
#include "train/report/series.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostRows = 1200;  // of a chart: more than it has pixels

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
  return text;
}

double Field(const std::vector<nlohmann::json>& records, const char* key) {
  if (records.empty() || !records.back().contains(key) || !records.back()[key].is_number())
    return std::nan("");
  return records.back()[key].get<double>();
}

std::string Fact(const std::string& name, const std::string& value) {
  return "<div><dt>" + name + "</dt><dd>" + Escaped(value) + "</dd></div>\n";
}

class Report {
 public:
  explicit Report(const fs::path& run)
      : records_(run), config_(run / "config.yaml"), history_(ReadHistory(run)) {
    name_ = fs::weakly_canonical(run).filename().string();
  }

  std::string Page() const {
    std::string page = page::kHtml;
    const std::pair<const char*, std::string> parts[] = {
        {"{{TITLE}}", Escaped(name_)},
        {"{{LICENSE}}", page::kChartLicense},
        {"{{CHART_CSS}}", page::kChartCss},
        {"{{CSS}}", page::kCss},
        {"{{TITLE}}", Escaped(name_)},
        {"{{SUBTITLE}}", "Written " + Now() + " by stemsmith " STEMSMITH_VERSION},
        {"{{FACTS}}", Facts()},
        {"{{FIGURES}}", Figures()},
        {"{{EXCERPTS}}", Excerpts()},
        {"{{CONFIG}}", fs::exists(config_) ? Escaped(ReadFile(config_)) : ""},
        {"{{DATA}}", Data()},
        {"{{CHART_JS}}", page::kChartJs},
        {"{{JS}}", page::kJs},
    };
    // What is filled in is not looked at again: a song may be called {{DATA}}.
    std::size_t at = 0;
    for (const auto& [mark, text] : parts) {
      at = page.find(mark, at);
      page.replace(at, std::string(mark).size(), text);
      at += text.size();
    }
    return page;
  }

 private:
  const EventTable& Table(const std::string& event) const {
    static const EventTable kNone;
    const auto found = history_.events.find(event);
    return found == history_.events.end() ? kNone : found->second;
  }

  std::string Facts() const {
    const EventTable &train = Table("train"), &validation = Table("validation");
    double step = 0.0;
    for (const auto& [event, table] : history_.events)
      if (!table.step.empty()) step = std::max(step, table.step.back());
    const double total = Field(history_.starts, "total_steps"),
                 parameters = Field(history_.starts, "parameters"), seconds = train.Last("seconds");
    std::string facts =
        Fact("Steps", FigureText("%.0f", step) + " of " + FigureText("%.0f", total));
    if (const double epochs = step / Field(history_.starts, "steps_per_epoch");
        std::isfinite(epochs))
      facts += Fact("Epochs", FigureText("%.1f", epochs));
    if (std::isfinite(seconds)) facts += Fact("Time", FormatDuration(seconds));
    if (std::isfinite(parameters))
      facts += Fact("Parameters", FigureText("%.2f M", parameters / 1e6));
    facts += Fact("Training loss", FigureText("%.5g", train.Last("loss")));
    if (!validation.step.empty())
      facts += Fact("Validation loss", FigureText("%.5g", validation.Last("loss")));
    if (const double sdr = validation.Last("mean_sdr_db"); std::isfinite(sdr))
      facts += Fact("Mean SDR", FigureText("%.2f dB", sdr));
    if (!history_.starts.empty())
      facts += Fact("Device", history_.starts.back().value("device", "–"));
    return facts;
  }

  // The SDR of each stem: the newest, the best of all validations, and what the mixture has.
  std::string Figures() const {
    constexpr std::string_view kPrefix = "sdr_db/";
    const EventTable& table = Table("validation");
    std::string rows;
    for (const auto& [name, column] : table.columns) {
      if (!name.starts_with(kPrefix)) continue;
      const std::string stem = name.substr(kPrefix.size());
      double best = std::nan(""), best_step = 0.0;
      for (std::size_t i = 0; i < column.size(); ++i)
        if (std::isfinite(column[i]) && !(column[i] <= best))
          best = column[i], best_step = table.step[i];
      const double last = table.Last(name), mixture = table.Last("mixture_sdr_db/" + stem);
      rows += "<tr><th scope=\"row\">" + Escaped(stem) + "</th><td>" + FigureText("%.2f", mixture) +
              "</td><td>" + FigureText("%.2f", last) + "</td><td>" +
              FigureText("%+.2f", last - mixture) + "</td><td>" + FigureText("%.2f", best) +
              "</td><td>" + FigureText("%.0f", best_step) + "</td></tr>\n";
    }
    if (rows.empty()) return "";
    return "<h2 id=\"figures\">Signal-to-distortion ratio</h2>\n<div class=\"scroll\" "
           "tabindex=\"0\" role=\"region\" "
           "aria-labelledby=\"figures\"><table class=\"figures\"><thead><tr><th "
           "scope=\"col\">Stem</th>"
           "<th scope=\"col\">Mixture (dB)</th><th scope=\"col\">Newest (dB)</th><th "
           "scope=\"col\">Gain (dB)</th>"
           "<th scope=\"col\">Highest (dB)</th><th scope=\"col\">At "
           "step</th></tr></thead><tbody>\n" +
           rows + "</tbody></table></div>\n";
  }

  std::string Excerpts() const {
    const nlohmann::json index = ReadExcerptIndex(records_.listen);
    if (!index.is_object() || index["songs"].empty()) return "";
    std::string html =
        "<h2 id=\"listen\">Excerpts of validation songs</h2>\n<p class=\"muted\">Estimates of "
        "step " +
        std::to_string(index["step"].get<std::int64_t>()) +
        ". A player goes on where the one before was; a click on a spectrogram goes there. "
        "Frequencies are logarithmic, colours show 80 dB.</p>\n";
    for (const nlohmann::json& song : index["songs"]) {
      try {
        html += Song(index, song);
      } catch (const Error& error) {
        html += "<article><p>" + Escaped(error.what()) + "</p></article>\n";
      }
    }
    return html;
  }

  std::string Song(const nlohmann::json& index, const nlohmann::json& song) const {
    const auto folder = song["folder"].get<std::string>();
    const auto stems = index["stems"].get<std::vector<std::string>>();
    std::vector<fs::path> files = {ExcerptFile(folder, "", "mixture")};
    for (const std::string& stem : stems)
      for (const char* kind : {"estimate", "target"})
        files.push_back(ExcerptFile(folder, stem, kind));
    std::vector<AudioBuffer> sounds;
    for (const fs::path& file : files)
      sounds.push_back(ReadAll(*OpenAudio(records_.listen / file)));
    std::vector<const AudioBuffer*> signals;
    for (const AudioBuffer& sound : sounds) signals.push_back(&sound);
    const std::vector<std::string> pictures = SpectrogramStrips(
        signals,
        {.sample_rate_hz = index["sample_rate_hz"].get<int>(), .width = 480, .height = 128});

    const auto name = song["name"].get<std::string>();
    const auto sound = [&](std::size_t i, const std::string& label, const std::string& note) {
      const std::string about = Escaped(name + ", " + label);
      return "<div class=\"sound\"><p><b>" + Escaped(label) + "</b><span class=\"muted\">" + note +
             "</span></p><div class=\"view\"><img alt=\"Spectrogram of " + about + "\" src=\"" +
             DataUri("image/png", pictures[i]) +
             "\"><i></i></div><audio controls preload=\"metadata\" aria-label=\"" + about +
             "\" src=\"" + DataUri("audio/ogg", ReadFile(records_.listen / files[i])) +
             "\"></audio></div>\n";
    };
    std::string html = "<article><h3>" + Escaped(name) + "</h3>\n<p class=\"muted\">" +
                       FigureText("%.0f s", song["seconds"].get<double>()) + " from " +
                       FormatDuration(song["start_seconds"].get<double>()) +
                       "</p>\n<div class=\"pair\">" + sound(0, "mixture", "") + "</div>\n";
    for (std::size_t s = 0; s < stems.size(); ++s) {
      const nlohmann::json sdr = song["sdr_db"].value(stems[s], nlohmann::json());
      html += "<div class=\"pair\">" +
              sound(1 + 2 * s, stems[s] + ", estimate",
                    sdr.is_number() ? "SDR " + FigureText("%.2f dB", sdr.get<double>()) : "") +
              sound(2 + 2 * s, stems[s] + ", target", "") + "</div>\n";
    }
    return html + "</article>\n";
  }

  // For report.js. Not a number is null.
  std::string Data() const {
    nlohmann::json series = nlohmann::json::object();
    for (const auto& [event, table] : history_.events) {
      const EventTable thin = Thinned(table, kMostRows);
      series[event]["step"] = thin.step;
      for (const auto& [name, column] : thin.columns) series[event][name] = column;
    }
    const std::string text = nlohmann::json({{"series", series}})
                                 .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::string safe;  // within <script> nothing may look like a tag
    for (const char letter : text) letter == '<' ? safe += "\\u003c" : safe += letter;
    return safe;
  }

  std::string name_;
  RunRecords records_;
  fs::path config_;
  RunHistory history_;
};

}  // namespace

bool HasReport() { return page::kHtml[0] != '\0'; }

fs::path WriteReport(const fs::path& run) {
  if (!HasReport()) {
    throw Error::Usage("this build has no report", run.string(),
                       "build with -DSTEMSMITH_REPORT=ON (tools/setup.sh installs what it needs)");
  }
  const fs::path file = run / "report.html";
  WriteFileAtomically(file, Report(run).Page());
  return file;
}

}  // namespace stemsmith
