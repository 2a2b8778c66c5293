// A program as host of a library's work (core/host.h): a bar on a terminal, plain lines elsewhere,
// JSON lines under --json, nothing but errors and warnings under --quiet.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/host.h"

namespace stemsmith {

enum class OutputMode {
  kAuto,  // a bar or lines, by whether stderr is a terminal
  kJson,
  kQuiet,
};

// Warnings and errors are lines on stderr; it asks to stop for the signals that CatchInterrupts
// catches.
Host TerminalHost(OutputMode mode);

// The result of a command: as JSON line on stdout under --json, else `text` on stdout (not under
// --quiet).
void PrintResult(OutputMode mode, const std::string& text, const nlohmann::json& fields);
// A warning on stderr: "warning: …".
void Warn(const std::string& text);

}  // namespace stemsmith
