// The records of a run as columns, for charts, tables and sparklines.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/report/run_end.h"

namespace stemsmith {

// Of one kind of event. Columns are named by their path ("loss", "sdr_db/vocals"); where a record
// lacks a number or holds none that is finite, the column has NaN.
struct EventTable {
  std::vector<double> step;
  std::map<std::string, std::vector<double>> columns;

  // The newest number of a column that is one; NaN where there is none.
  double Last(const std::string& column) const;
};

struct RunHistory {
  std::map<std::string, EventTable> events;  // but for "start" and "end"
  std::vector<nlohmann::json> starts, ends;  // these, as they were written
  nlohmann::json kept;  // the validation of the checkpoint that is kept and exported; null: none

  // The step it got to, by whatever it recorded last.
  double LastStep() const;
};

// Why the run ended; kNone where it goes on, was resumed or broke off.
RunEnd EndOf(const RunHistory& history);

// Throws Error where the folder holds no run.
RunHistory ReadHistory(const std::filesystem::path& run);
RunHistory MakeHistory(const std::vector<nlohmann::json>& records);

// A figure of the kept checkpoint, by the path that a column has ("sdr_db/vocals"); NaN where there
// is none.
double KeptFigure(const RunHistory& history, const std::string& column);
// The stems of which a table has figures of this kind ("sdr_db"), in the model's order.
std::vector<std::string> StemsOf(const RunHistory& history, const EventTable& table,
                                 const std::string& kind);

// Neighbouring rows drawn together to their mean, so that at most `rows` are left.
EventTable Thinned(const EventTable& table, std::size_t rows);

}  // namespace stemsmith
