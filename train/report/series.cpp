#include "train/report/series.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/text.h"
#include "train/report/metrics_log.h"
#include "train/report/run_records.h"

namespace stemsmith {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Each is as long as there are records of the event: records that all name others would take memory
// that grows with the square of the file.
constexpr std::size_t kMostColumns = 1024;

void AddNumbers(const std::string& path, const nlohmann::json& value, EventTable& table) {
  if (value.is_object()) {
    for (const auto& [key, item] : value.items())
      AddNumbers(path.empty() ? key : path + "/" + key, item, table);
  } else if (value.is_number() &&
             (table.columns.size() < kMostColumns || table.columns.contains(path))) {
    std::vector<double>& column = table.columns[path];
    column.resize(table.step.size(), kNaN);
    column.back() = value.get<double>();
  }
}

}  // namespace

double EventTable::Last(const std::string& column) const {
  const auto found = columns.find(column);
  if (found == columns.end()) return kNaN;
  const auto last = std::find_if(found->second.rbegin(), found->second.rend(),
                                 [](double value) { return std::isfinite(value); });
  return last == found->second.rend() ? kNaN : *last;
}

RunHistory MakeHistory(const std::vector<nlohmann::json>& records) {
  RunHistory history;
  for (const nlohmann::json& record : records) {
    const std::string event = record.value("event", "");
    if (event == "start") history.starts.push_back(record);
    if (event == "end") history.ends.push_back(record);
    if (event == "validation" && record.value("best", nlohmann::json()) == true)
      history.kept = record;
    if (event.empty() || event == "start" || event == "end") continue;
    EventTable& table = history.events[event];
    // A run that went back to an earlier step says what follows again.
    const double step = record["step"].get<double>();
    while (!table.step.empty() && table.step.back() >= step) table.step.pop_back();
    for (auto& [name, column] : table.columns)
      if (column.size() > table.step.size()) column.resize(table.step.size());
    table.step.push_back(step);
    nlohmann::json figures = record;
    figures.erase("step");
    AddNumbers("", figures, table);
  }
  for (auto& [event, table] : history.events)
    for (auto& [name, column] : table.columns) column.resize(table.step.size(), kNaN);
  return history;
}

double RunHistory::LastStep() const {
  double step = 0.0;
  for (const auto& [event, table] : events)
    if (!table.step.empty()) step = std::max(step, table.step.back());
  for (const auto* records : {&starts, &ends})
    if (!records->empty()) step = std::max(step, records->back()["step"].get<double>());
  return step;
}

RunEnd EndOf(const RunHistory& history) {
  if (history.ends.empty()) return RunEnd::kNone;
  const nlohmann::json& end = history.ends.back();
  if (end["step"].get<double>() < history.LastStep()) return RunEnd::kNone;
  return RunEndOf(end.value("stopped_by", ""));
}

double KeptFigure(const RunHistory& history, const std::string& column) {
  const nlohmann::json* value = &history.kept;
  std::string path = column;
  // Names of stems may hold slashes: the rest of the path is tried as a name first.
  while (value->is_object()) {
    if (value->contains(path))
      return (*value)[path].is_number() ? (*value)[path].get<double>() : kNaN;
    const std::size_t slash = path.find('/');
    if (slash == std::string::npos || !value->contains(path.substr(0, slash))) return kNaN;
    value = &(*value)[path.substr(0, slash)];
    path = path.substr(slash + 1);
  }
  return kNaN;
}

std::vector<std::string> StemsOf(const RunHistory& history, const EventTable& table,
                                 const std::string& kind) {
  std::vector<std::string> stems;
  const auto add = [&](const std::string& stem) {
    if (table.columns.contains(kind + "/" + stem) &&
        std::find(stems.begin(), stems.end(), stem) == stems.end())
      stems.push_back(stem);
  };
  if (!history.starts.empty())
    for (const nlohmann::json& stem : history.starts.back().value("stems", nlohmann::json()))
      if (stem.is_string()) add(stem.get<std::string>());
  for (const auto& [name, column] : table.columns)
    if (name.starts_with(kind + "/")) add(name.substr(kind.size() + 1));
  return stems;
}

RunHistory ReadHistory(const std::filesystem::path& run) {
  const std::filesystem::path metrics = RunRecords(run).metrics;
  if (!std::filesystem::exists(metrics)) {
    throw Error::Input("there is no training run here", run.string(),
                       "name the folder that was given to stemsmith train --run");
  }
  return MakeHistory(MetricsLog::Read(metrics));
}

EventTable Thinned(const EventTable& table, std::size_t rows) {
  const std::size_t size = table.step.size();
  if (size <= rows) return table;
  const std::size_t together = (size + rows - 1) / rows;
  EventTable thin;
  for (std::size_t from = 0; from < size; from += together) {
    const std::size_t to = std::min(size, from + together);
    thin.step.push_back(table.step[to - 1]);
    for (const auto& [name, column] : table.columns) {
      double sum = 0.0;
      int count = 0;
      for (std::size_t i = from; i < to; ++i)
        if (std::isfinite(column[i])) sum += column[i], ++count;
      thin.columns[name].push_back(count > 0 ? sum / count : kNaN);
    }
  }
  return thin;
}

}  // namespace stemsmith
