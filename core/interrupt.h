// Ctrl-C, SIGTERM and SIGHUP as a question that long loops ask: finish the step, save, leave with
// 128 + the signal.
#pragma once

#include <csignal>
#include <string>

namespace stemsmith {

// Those that are caught.
inline constexpr int kStopSignals[] = {SIGPIPE, SIGINT, SIGHUP, SIGTERM};

// From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE (nobody reads the output any more) set a flag.
// What was ignored at the start stays ignored, as nohup and shells want it. A second one, half a
// second later or more, ends the process at once; before that it is the same one again: terminals,
// shells and launchers all pass them on.
void CatchInterrupts();
// 0, or the signal that came first.
int InterruptSignal();
// Throws Error::Stopped when one came.
void StopIfInterrupted(const std::string& what, const std::string& advice = "");

}  // namespace stemsmith
