// Why a run ended, as the last line of metrics.jsonl says it: "stopped_by".
#pragma once

#include <string>

namespace stemsmith {

enum class RunEnd {
  kNone,        // it has not ended, or an earlier version wrote the line
  kSteps,       // it did all its steps
  kMaxSeconds,  // train.max_seconds
  kPatience,    // validate.patience
  kSignal,      // Ctrl-C or another signal
};

// "", "steps", "max_seconds", "patience", "signal".
const char* NameOf(RunEnd end);
// kNone for words that it does not know.
RunEnd RunEndOf(const std::string& name);

// The key of the configuration that ended a run before its last step, "train.max_seconds"; "" where
// none did.
std::string KeyBehind(RunEnd end);
// How such a run is continued; "" where no key ended it.
std::string AdviceAfter(RunEnd end);

}  // namespace stemsmith
