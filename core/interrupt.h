// Ctrl-C and SIGTERM as a question that long loops ask: finish the step, save, leave with 130 or
// 143.
#pragma once

namespace stemsmith {

// From now on SIGINT and SIGTERM set a flag; a second SIGINT ends the process at once.
void CatchInterrupts();
// 0, SIGINT or SIGTERM.
int InterruptSignal();

}  // namespace stemsmith
