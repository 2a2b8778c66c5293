// The records of a run as columns, for charts, tables and sparklines.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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
};

// Throws Error where the folder holds no run.
RunHistory ReadHistory(const std::filesystem::path& run);
RunHistory MakeHistory(const std::vector<nlohmann::json>& records);

// Neighbouring rows drawn together to their mean, so that at most `rows` are left.
EventTable Thinned(const EventTable& table, std::size_t rows);

// The number as printf writes it; a dash where it is not finite.
std::string FigureText(const char* format, double value);

}  // namespace stemsmith
