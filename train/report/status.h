// How a run stands, for `stemsmith watch`: as text with sparklines, and as JSON.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/report/series.h"

namespace stemsmith {

enum class RunState { kRunning, kFinished, kInterrupted, kBrokenOff };

struct RunStatus {
  std::string name;
  RunState state = RunState::kBrokenOff;
  double step = 0.0, total_steps = 0.0;  // 0: not known
  double seconds = 0.0;                  // of training, over all resumptions
  double seconds_left = -1.0;            // below 0: not known, or not running
  RunEnd end = RunEnd::kNone;            // of a run that is finished or interrupted
  RunHistory history;
};

// Of the run in a folder, read again each time. Throws Error where there is none.
RunStatus ReadStatus(const std::filesystem::path& run);

// A line about the whole, then a table of figures with sparklines, then one of each kind of figure
// by stem, with what the kept checkpoint has. Lines fit into `columns` as far as names allow.
// `colours`: the stems' own, by escapes of terminals.
std::string StatusText(const RunStatus& status, int columns, bool colours = false);
// {"run", "state", "stopped_by", "step", "total_steps", "seconds", "seconds_left", "latest":
// {EVENT: {COLUMN: …}}}; "stopped_by" as in run_end.h, null where it is not known.
nlohmann::json StatusJson(const RunStatus& status);
// One line of a record, for logs.
std::string RecordLine(const nlohmann::json& record);

// Eight heights of blocks, one per value, lowest to highest of them; a space where there is none.
std::string Sparkline(const std::vector<double>& values);

}  // namespace stemsmith
