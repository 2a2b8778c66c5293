#include "train/report/status.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>

#include "core/config.h"
#include "core/text.h"
#include "html/html.h"
#include "picture/stem_colours.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// Of a run's records, what says nothing about how well it goes.
const std::set<std::string> kLeftOut = {"epoch", "seconds", "skipped_draws", "best"};
constexpr std::size_t kWidestCurve = 48;

// Letters, not bytes: names of stems may hold any.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}
std::string Left(const std::string& text, std::size_t width) {
  return text + std::string(width > Width(text) ? width - Width(text) : 0, ' ');
}
std::string Right(const std::string& text, std::size_t width) {
  return std::string(width > Width(text) ? width - Width(text) : 0, ' ') + text;
}

std::string Words(std::string key) {
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

// The trainer holds the folder's lock while it runs.
bool IsLocked(const fs::path& run) {
  const int folder = open(run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  const bool locked = flock(folder, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(folder);
  return locked;
}

// By the pace of the latest records of this session, validation and all.
double SecondsLeft(const RunStatus& status, double max_seconds) {
  const auto train = status.history.events.find("train");
  if (train == status.history.events.end() || status.history.starts.empty()) return -1.0;
  const EventTable& table = train->second;
  const auto seconds = table.columns.find("seconds");
  if (seconds == table.columns.end()) return -1.0;
  const double session = status.history.starts.back()["step"].get<double>();
  constexpr std::size_t kMany = 50;
  const std::size_t last = table.step.size() - 1;
  std::size_t first = last > kMany ? last - kMany : 0;
  while (first < last && table.step[first] <= session) ++first;
  const double steps = table.step[last] - table.step[first];
  const double spent = seconds->second[last] - seconds->second[first];
  if (!(steps > 0) || !(spent > 0) || !(status.total_steps > status.step)) return -1.0;
  const double left = (status.total_steps - status.step) * spent / steps;
  return max_seconds > 0 ? std::min(left, std::max(0.0, max_seconds - status.seconds)) : left;
}

const char* StateName(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return "running";
    case RunState::kFinished:
      return "finished";
    case RunState::kInterrupted:
      return "interrupted";
    default:
      return "broken off";
  }
}

std::string Curve(const std::vector<double>& values, std::size_t width) {
  EventTable table;
  table.step.resize(values.size());
  table.columns["y"] = values;
  return Sparkline(Thinned(table, width).columns["y"]);
}

// For terminals that know 24-bit colours, as nearly all do; others show the nearest or none.
std::string Coloured(const std::string& text, Colour colour) {
  return Formatted("\033[38;2;%d;%d;%dm", colour.red, colour.green, colour.blue) + text + "\033[0m";
}

struct Line {
  std::string name;
  std::vector<std::string> cells;
  std::string curve;
};

// Under a headline, names to the left, cells to the right of their columns.
std::string Table(const Line& head, const std::vector<Line>& lines) {
  std::size_t name = Width(head.name);
  std::vector<std::size_t> widths;
  for (const std::string& cell : head.cells) widths.push_back(Width(cell));
  for (const Line& line : lines) {
    name = std::max(name, Width(line.name));
    for (std::size_t i = 0; i < line.cells.size(); ++i)
      widths[i] = std::max(widths[i], Width(line.cells[i]));
  }
  std::string text;
  const auto add = [&](const Line& line) {
    text += Left(line.name, name);
    for (std::size_t i = 0; i < line.cells.size(); ++i)
      text += "  " + Right(line.cells[i], widths[i]);
    text += line.curve.empty() ? "\n" : "  " + line.curve + "\n";
  };
  add(head);
  for (const Line& line : lines) add(line);
  return text;
}

}  // namespace

std::string Sparkline(const std::vector<double>& values) {
  static const char* const kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double low = INFINITY, high = -INFINITY;
  for (const double value : values)
    if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  std::string line;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      line += ' ';
      continue;
    }
    const double share = high > low ? (value - low) / (high - low) : 0.0;
    line += kBlocks[std::min(7, static_cast<int>(share * 8))];
  }
  return line;
}

RunStatus ReadStatus(const fs::path& run) {
  RunStatus status;
  status.name = fs::weakly_canonical(run).filename().string();
  status.history = ReadHistory(run);
  for (const auto& [event, table] : status.history.events) {
    if (const double seconds = table.Last("seconds"); std::isfinite(seconds))
      status.seconds = std::max(status.seconds, seconds);
  }
  status.step = status.history.LastStep();
  const auto& starts = status.history.starts;
  const auto& ends = status.history.ends;
  if (!starts.empty()) {
    status.total_steps = starts.back().value("total_steps", 0.0);
  }
  if (IsLocked(run)) {
    status.state = RunState::kRunning;
  } else if (!ends.empty() && ends.back()["step"].get<double>() >= status.step) {
    status.state =
        ends.back().value("signal", 0) == 0 ? RunState::kFinished : RunState::kInterrupted;
    status.seconds = std::max(status.seconds, ends.back().value("seconds", 0.0));
    status.end = EndOf(status.history);
  }
  if (status.state == RunState::kRunning) {
    double max_seconds = 0.0;
    if (fs::exists(run / "config.yaml"))
      max_seconds = Config::Load(run / "config.yaml").Child("train").Number("max_seconds", 0.0);
    status.seconds_left = SecondsLeft(status, max_seconds);
  }
  return status;
}

std::string StatusText(const RunStatus& status, int columns, bool colours) {
  const std::string key = KeyBehind(status.end);
  std::string text = status.name + ": " +
                     (key.empty() ? StateName(status.state) : "stopped by " + key) + ", step " +
                     FigureText("%.0f", status.step);
  if (status.total_steps > 0) {
    text += " of " + FigureText("%.0f", status.total_steps) + " (" +
            FigureText("%.0f", std::floor(100 * status.step / status.total_steps)) + " %)";
  }
  if (status.seconds > 0) text += ", " + FormatDuration(status.seconds);
  if (status.seconds_left >= 0) text += ", " + FormatDuration(status.seconds_left) + " left";
  text += '\n';
  if (!key.empty()) text += AdviceAfter(status.end) + '\n';

  const auto width = static_cast<std::size_t>(std::clamp(columns - 58, 10, int{kWidestCurve}));
  std::vector<Line> lines;
  std::set<std::string> kinds;  // of figures by stem, of validations
  for (const auto& [event, table] : status.history.events) {
    for (const auto& [name, values] : table.columns) {
      if (const std::size_t slash = name.find('/'); slash != std::string::npos) {
        if (event == "validation") kinds.insert(name.substr(0, slash));
        continue;
      }
      if (kLeftOut.contains(name)) continue;
      double low = INFINITY, high = -INFINITY;
      for (const double value : values)
        if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
      lines.push_back({event + " " + Words(name),
                       {FigureText("%.4g", table.Last(name)), FigureText("%.4g", low),
                        FigureText("%.4g", high)},
                       Curve(values, width)});
    }
  }
  if (lines.empty()) return text + "nothing is recorded yet\n";
  // Losses first.
  std::stable_partition(lines.begin(), lines.end(),
                        [](const Line& line) { return line.name.ends_with(" loss"); });
  text += '\n' + Table({"", {"newest", "lowest", "highest"}, ""}, lines);

  kinds.erase("mixture_sdr_db");
  const bool kept = status.history.kept.is_object();
  for (const std::string& kind : kinds) {
    const EventTable& table = status.history.events.at("validation");
    const bool sdr = kind == "sdr_db";
    Line head{sdr ? "SDR (dB)" : Words(kind), {}, ""};
    if (sdr) head.cells = {"mixture", kept ? "kept" : "newest", "gain"};
    if (!sdr && kept) head.cells = {"kept"};
    if (!sdr || kept) head.cells.push_back("newest");
    std::vector<Line> lines_of_stems;
    const std::vector<std::string> stems = StemsOf(status.history, table, kind);
    const std::vector<int> indices = StemColourIndices(stems);
    for (std::size_t s = 0; s < stems.size(); ++s) {
      const std::string name = kind + "/" + stems[s];
      const double newest = table.Last(name);
      const double shown = kept ? KeptFigure(status.history, name) : newest;
      Line line{stems[s], {}, Curve(table.columns.at(name), width)};
      if (sdr) {
        const double mixture = table.Last("mixture_sdr_db/" + stems[s]);
        line.cells = {FigureText("%.2f", mixture), FigureText("%.2f", shown),
                      FigureText("%+.2f", shown - mixture)};
      } else if (kept) {
        line.cells = {FigureText("%.2f", shown)};
      }
      if (!sdr || kept) line.cells.push_back(FigureText("%.2f", newest));
      if (colours) line.curve = Coloured(line.curve, StemColour(indices[s], /*on_dark=*/true));
      lines_of_stems.push_back(line);
    }
    text += '\n' + Table(head, lines_of_stems);
    if (sdr) text += "mixture: the SDR of the mixture itself taken as the estimate, to be beaten\n";
  }
  if (kept) {
    text += "kept: the checkpoint of step " +
            FigureText("%.0f", status.history.kept["step"].get<double>()) +
            ", the one that is exported\n";
  }
  return text;
}

nlohmann::json StatusJson(const RunStatus& status) {
  nlohmann::json latest = nlohmann::json::object();
  for (const auto& [event, table] : status.history.events) {
    latest[event]["step"] = table.step.back();
    for (const auto& [name, values] : table.columns) {
      const double value = table.Last(name);
      latest[event][name] = std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
    }
  }
  nlohmann::json json = {{"run", status.name},          {"state", StateName(status.state)},
                         {"step", status.step},         {"total_steps", status.total_steps},
                         {"seconds", status.seconds},   {"seconds_left", nullptr},
                         {"latest", std::move(latest)}, {"stopped_by", nullptr}};
  if (status.end != RunEnd::kNone) json["stopped_by"] = NameOf(status.end);
  if (status.seconds_left >= 0) json["seconds_left"] = status.seconds_left;
  return json;
}

std::string RecordLine(const nlohmann::json& record) {
  const RunHistory history = MakeHistory({record});
  std::string text = "step " + std::to_string(record["step"].get<std::int64_t>());
  if (history.events.empty()) return text + ": " + record.value("event", "");
  const auto& [event, table] = *history.events.begin();
  text += ", " + event + ":";
  std::string comma = " ";
  for (const auto& [name, values] : table.columns) {
    if (kLeftOut.contains(name) || name.starts_with("mixture_sdr_db/")) continue;
    text += comma + Words(name) + " " + FigureText("%.4g", values.front());
    comma = ", ";
  }
  return text;
}

}  // namespace stemsmith
