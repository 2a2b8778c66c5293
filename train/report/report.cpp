#include "train/report/report.h"

#include <algorithm>
#include <cmath>

#include "audio/decode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "core/utc_text.h"
#include "html/html.h"
#include "picture/picture.h"
#include "picture/stem_colours.h"
#include "stemsmith_version.h"
#include "train/report/excerpt.h"
#include "train/report/page.h"
#include "train/report/run_records.h"
#include "train/report/series.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostRows = 1200;  // of a chart: more than it has pixels

double Field(const std::vector<nlohmann::json>& records, const char* key) {
  if (records.empty() || !records.back().contains(key) || !records.back()[key].is_number())
    return std::nan("");
  return records.back()[key].get<double>();
}

class Report {
 public:
  explicit Report(const fs::path& run)
      : records_(run), config_(run / "config.yaml"), history_(ReadHistory(run)) {
    name_ = fs::weakly_canonical(run).filename().string();
  }

  std::string Page() const {
    return FilledIn(page::kHtml,
                    {
                        {"{{TITLE}}", Escaped(name_)},
                        {"{{LICENSE}}", page::kChartLicense},
                        {"{{CHART_CSS}}", page::kChartCss},
                        {"{{PALETTE}}", Palette()},
                        {"{{CSS}}", std::string(kBaseCss) + page::kCss},
                        {"{{TITLE}}", Escaped(name_)},
                        {"{{SUBTITLE}}", "Written " + UtcText("%Y-%m-%d %H:%M UTC") +
                                             " by stemsmith " STEMSMITH_VERSION},
                        {"{{FACTS}}", Facts()},
                        {"{{FIGURES}}", EndNote() + Figures()},
                        {"{{EXCERPTS}}", Excerpts()},
                        {"{{CONFIG}}", fs::exists(config_) ? Escaped(ReadFile(config_)) : ""},
                        {"{{DATA}}", Data()},
                        {"{{CHART_JS}}", page::kChartJs},
                        {"{{JS}}", page::kJs},
                    });
  }

 private:
  const EventTable& Table(const std::string& event) const {
    static const EventTable kNone;
    const auto found = history_.events.find(event);
    return found == history_.events.end() ? kNone : found->second;
  }

  double KeptStep() const {
    return history_.kept.is_object() ? history_.kept["step"].get<double>() : std::nan("");
  }

  std::string Facts() const {
    const EventTable &train = Table("train"), &validation = Table("validation");
    const double step = history_.LastStep();
    const double total = Field(history_.starts, "total_steps"),
                 parameters = Field(history_.starts, "parameters");
    double seconds = train.Last("seconds");
    if (!history_.ends.empty()) seconds = history_.ends.back().value("seconds", seconds);
    std::string facts =
        Fact("Steps", FigureText("%.0f", step) + " of " + FigureText("%.0f", total));
    if (const double epochs = step / Field(history_.starts, "steps_per_epoch");
        std::isfinite(epochs))
      facts += Fact("Epochs", FigureText("%.1f", epochs));
    if (std::isfinite(seconds)) facts += Fact("Time", FormatDuration(seconds));
    if (std::isfinite(parameters))
      facts += Fact("Parameters", FigureText("%.2f M", parameters / 1e6));
    facts += Fact("Training loss", FigureText("%.5g", train.Last("loss")));
    if (history_.kept.is_object()) {
      facts += Fact("Kept checkpoint", "step " + FigureText("%.0f", KeptStep()));
      facts += Fact("Its validation loss", FigureText("%.5g", KeptFigure(history_, "loss")));
      if (const double sdr = KeptFigure(history_, "mean_sdr_db"); std::isfinite(sdr))
        facts += Fact("Its mean SDR", FigureText("%.2f dB", sdr));
    } else if (!validation.step.empty()) {
      facts += Fact("Newest validation loss", FigureText("%.5g", validation.Last("loss")));
      if (const double sdr = validation.Last("mean_sdr_db"); std::isfinite(sdr))
        facts += Fact("Newest mean SDR", FigureText("%.2f dB", sdr));
    }
    if (!history_.starts.empty())
      facts += Fact("Device", history_.starts.back().value("device", "–"));
    return facts;
  }

  // Where a key of the configuration ended the run before its last step.
  std::string EndNote() const {
    const RunEnd end = EndOf(history_);
    if (KeyBehind(end).empty()) return "";
    const double seconds = history_.ends.back().value("seconds", 0.0);
    return "<p class=\"note\">Stopped by <code>" + KeyBehind(end) + "</code> after " +
           FormatDuration(seconds) + " at step " + FigureText("%.0f", history_.LastStep()) +
           " of " + FigureText("%.0f", Field(history_.starts, "total_steps")) + ". " +
           "Continue with <code>--resume</code> and a larger <code>" + KeyBehind(end) +
           "</code>.</p>\n";
  }

  // Why there is no SDR, and what fixes it.
  std::string WithoutSdr() const {
    const nlohmann::json start =
        history_.starts.empty() ? nlohmann::json::object() : history_.starts.back();
    std::string why =
        "No SDR, because nothing has been validated yet. The first validation is due at the step "
        "that <code>validate.every_steps</code> says, or at the end of the run.";
    if (start.value("audio", nlohmann::json(true)) == false) {
      why =
          "No SDR, because the cache holds spectrograms: validation gives the loss alone. A cache "
          "of audio, prepared without <code>--spectrogram</code>, gives the SDR too.";
    } else if (start.value("validation_songs", nlohmann::json()) == 0) {
      why =
          "No SDR and no excerpts, because the cache holds no song for validation, and the last "
          "checkpoint is the one to export. <code>stemsmith prepare … --valid-fraction 0.1</code> "
          "keeps a tenth of the songs for validation; <code>--splits FILE</code> names them.";
    } else if (!history_.starts.empty() && start.contains("audio") &&
               !start.contains("validation_songs")) {
      why =
          "No SDR and no excerpts, because <code>validate.every_steps</code> is 0: nothing is "
          "validated, and the last checkpoint is the one to export.";
    }
    return "<p class=\"note\">" + why + "</p>\n";
  }

  // The SDR of each stem: of the mixture, of the kept checkpoint and, where it is another, of the
  // newest step. Every column is one checkpoint's.
  std::string Figures() const {
    const EventTable& table = Table("validation");
    const std::vector<std::string> stems = StemsOf(history_, table, "sdr_db");
    if (stems.empty()) return WithoutSdr();
    const bool kept = history_.kept.is_object();
    const double newest_step = table.step.back(), step = kept ? KeptStep() : newest_step;
    const bool both = newest_step != step;
    const std::vector<int> colours = StemColourIndices(stems);
    std::string rows;
    for (std::size_t s = 0; s < stems.size(); ++s) {
      const std::string name = "sdr_db/" + stems[s];
      const double mixture = table.Last("mixture_" + name), newest = table.Last(name);
      const double shown = kept ? KeptFigure(history_, name) : newest;
      rows += "<tr><th scope=\"row\">" + ColourDot(colours[s]) + Escaped(stems[s]) + "</th><td>" +
              FigureText("%.2f", mixture) + "</td><td>" + FigureText("%.2f", shown) + "</td><td>" +
              FigureText("%+.2f", shown - mixture) + "</td>";
      if (both) rows += "<td>" + FigureText("%.2f", newest) + "</td>";
      rows += "</tr>\n";
    }
    const auto head = [](const std::string& text) { return "<th scope=\"col\">" + text + "</th>"; };
    return "<h2 id=\"figures\">Signal-to-distortion ratio (SDR, dB)</h2>\n<div class=\"scroll\" "
           "tabindex=\"0\" role=\"region\" aria-labelledby=\"figures\"><table "
           "class=\"figures\"><thead><tr>" +
           head("Stem") + head("Mixture") +
           head((kept ? "Kept, step " : "Newest, step ") + FigureText("%.0f", step)) +
           head("Gain") + (both ? head("Newest, step " + FigureText("%.0f", newest_step)) : "") +
           "</tr></thead><tbody>\n" + rows +
           "</tbody></table></div>\n<p class=\"muted\">Mixture: the SDR of the unseparated song "
           "taken as the estimate of the stem, which a model has to beat. Gain: by how much " +
           (kept ? "the kept checkpoint" : "the newest step") + " beats it." +
           (kept
                ? " Kept: the checkpoint that was best on validation, the one that <code>stemsmith "
                  "export</code> takes."
                : "") +
           "</p>\n";
  }

  std::string Excerpts() const {
    const nlohmann::json index = ReadExcerptIndex(records_.listen);
    if (!index.is_object() || index["songs"].empty()) return "";
    std::string html =
        "<h2 id=\"listen\">Excerpts of validation songs</h2>\n<p class=\"muted\">Estimates of " +
        WhichCheckpoint(index["step"].get<std::int64_t>()) +
        " The mixture is what the model hears, the target is the true stem, the estimate is what "
        "the model makes of the mixture. A player continues where the one before was; a click on a "
        "spectrogram goes there. Colours show 80 dB below the loudest point of the song.</p>\n";
    for (const nlohmann::json& song : index["songs"]) {
      try {
        html += Song(index, song);
      } catch (const Error& error) {
        html += "<article><p>" + Escaped(error.what()) + "</p></article>\n";
      }
    }
    return html;
  }

  std::string WhichCheckpoint(std::int64_t step) const {
    const double kept = KeptStep();
    if (static_cast<double>(step) == kept)
      return "the kept checkpoint, step " + std::to_string(step) + ".";
    return "step " + std::to_string(step) +
           (std::isfinite(kept) ? ", not of the kept checkpoint (step " + FigureText("%.0f", kept) +
                                      "): its excerpts come when the run is finished."
                                : ".");
  }

  std::string Song(const nlohmann::json& index, const nlohmann::json& song) const {
    const auto folder = song["folder"].get<std::string>();
    const auto stems = index["stems"].get<std::vector<std::string>>();
    const std::vector<int> colours = StemColourIndices(stems);
    const int rate = index["sample_rate_hz"].get<int>();
    std::vector<fs::path> files = {ExcerptFile(folder, "", "mixture")};
    for (const std::string& stem : stems)
      for (const char* kind : {"estimate", "target"})
        files.push_back(ExcerptFile(folder, stem, kind));
    std::vector<AudioBuffer> sounds;
    for (const fs::path& file : files)
      sounds.push_back(ReadAll(*OpenAudio(records_.listen / file)));
    std::vector<const AudioBuffer*> signals;
    for (const AudioBuffer& sound : sounds) signals.push_back(&sound);
    const std::vector<std::string> pictures =
        SpectrogramStrips(signals, {.sample_rate_hz = rate, .width = 480, .height = 128});
    const std::string axes = SpectrogramAxes(
        static_cast<double>(std::max<std::size_t>(1, sounds[0].frames())) / rate, rate);

    const auto name = song["name"].get<std::string>();
    const auto sound = [&](std::size_t i, const std::string& dot, const std::string& label,
                           const std::string& note) {
      const std::string about = Escaped(name + ", " + label);
      return "<div class=\"sound\"><p><b>" + dot + Escaped(label) + "</b><span class=\"muted\">" +
             note + "</span></p><div class=\"view\"><img alt=\"Spectrogram of " + about +
             "\" src=\"" + DataUri("image/png", pictures[i]) + "\"><i></i>" + axes +
             "</div><audio controls preload=\"metadata\" aria-label=\"" + about + "\" src=\"" +
             DataUri("audio/ogg", ReadFile(records_.listen / files[i])) + "\"></audio></div>\n";
    };
    std::string html = "<article><h3>" + Escaped(name) + "</h3>\n<p class=\"muted\">" +
                       FigureText("%.0f s", song["seconds"].get<double>()) + " from " +
                       FormatDuration(song["start_seconds"].get<double>()) +
                       "</p>\n<div class=\"pair\">" + sound(0, "", "mixture", "") + "</div>\n";
    for (std::size_t s = 0; s < stems.size(); ++s) {
      const nlohmann::json sdr = song["sdr_db"].value(stems[s], nlohmann::json());
      const std::string dot = ColourDot(colours[s]);
      html += "<div class=\"pair\">" +
              sound(1 + 2 * s, dot, stems[s] + ", estimate",
                    sdr.is_number() ? "SDR " + FigureText("%.2f dB", sdr.get<double>()) : "") +
              sound(2 + 2 * s, dot, stems[s] + ", target", "") + "</div>\n";
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
    // The stems of every figure, in the model's order, and their colours.
    std::vector<std::string> stems;
    for (const auto& [event, table] : history_.events)
      for (const auto& [name, column] : table.columns)
        for (std::size_t slash = name.find('/'); slash != std::string::npos;
             slash = std::string::npos)
          for (const std::string& stem : StemsOf(history_, table, name.substr(0, slash)))
            if (std::find(stems.begin(), stems.end(), stem) == stems.end()) stems.push_back(stem);
    const nlohmann::json kept =
        history_.kept.is_object() ? history_.kept["step"] : nlohmann::json(nullptr);
    return ScriptJson({{"series", series},
                       {"stems", stems},
                       {"colours", StemColourIndices(stems)},
                       {"kept", kept}});
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
