// What every program does at its start and end, and its standard streams: results are announced
// only when they arrive, and options are shown as flags (core/option.h).
#pragma once

#include <string>

#include "core/error.h"

namespace stemsmith {

// Before anything else: a file-size limit is an error of the write, not a death without a word
// (SIGXFSZ); and where a standard stream is closed, no file that is opened gets its number.
void StartProgram();

// All that goes to standard output, at once. A failure is remembered for FinishProgram: what is
// being made goes on.
void WriteOutput(const std::string& text);
// The same of bytes that are no text.
void WriteOutputBytes(const std::string& bytes);
// False once something could not be written.
bool OutputWorks();

// A line on stderr, without its line feed. Any thread.
void WriteError(const std::string& line);
// The line of an error: "error: …".
void WriteError(const Error& error);
// That of the exception being handled, but for a closed pipe. Gives the exit status.
int WriteCurrentError();
// The line that WriteError goes around: a bar of progress, drawn in place of the one before; ""
// takes it away.
void DrawBar(const std::string& bar);

// The exit status for `status`: where some of the output was lost, an error on stderr and 1 for 0.
// A pipe that nobody reads any more (`| head`) is nothing to tell: 141, as from other programs.
int FinishProgram(int status);

}  // namespace stemsmith
