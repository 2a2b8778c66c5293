// A program as host of a library's work (core/host.h): a bar on a terminal, plain lines elsewhere,
// JSON lines under --json, nothing but errors and warnings under --quiet.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/host.h"

namespace stemsmith {

enum class OutputMode {
  kAuto,  // a bar or lines, by whether stderr is a terminal
  kJson,
  kQuiet,
};

// Warnings and errors are lines on stderr; the time left is at most what the field kMostSecondsLeft
// (core/progress_fields.h) of the newest update says; it asks to stop for the signals that
// CatchInterrupts catches.
Host TerminalHost(OutputMode mode);

// The result of a command: as JSON line on stdout under --json, else `text` on stdout (not under
// --quiet).
void PrintResult(OutputMode mode, const std::string& text, const nlohmann::json& fields);
// Under --json a line {"event": event, …fields}; else nothing.
void PrintEvent(OutputMode mode, const std::string& event, const nlohmann::json& fields);
// The command that usually comes next, for people: "next: …" on stdout, not under --json and
// --quiet.
void PrintNext(OutputMode mode, const std::vector<std::string>& words);
// A bar with its text in at most `columns` letters. `status` is what is done and the time left,
// `detail` parts between commas, the most important first; two of them at least stay. `share` in
// [0, 1], or below 0 where nobody knows.
std::string BarLine(double share, const std::string& status, const std::string& detail,
                    std::size_t columns);
// A warning on stderr: "warning: …".
void Warn(const std::string& text);

}  // namespace stemsmith
