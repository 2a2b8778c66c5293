#include "train/report/run_end.h"

#include <algorithm>
#include <iterator>

#include "core/option.h"

namespace stemsmith {
namespace {

struct Row {
  RunEnd end;
  const char *name, *key;
};
constexpr Row kRows[] = {
    {RunEnd::kNone, "", ""},
    {RunEnd::kSteps, "steps", ""},
    {RunEnd::kMaxSeconds, "max_seconds", "train.max_seconds"},
    {RunEnd::kPatience, "patience", "validate.patience"},
    {RunEnd::kSignal, "signal", ""},
};

const Row& RowOf(RunEnd end) {
  return *std::find_if(std::begin(kRows), std::end(kRows),
                       [end](const Row& row) { return row.end == end; });
}

}  // namespace

const char* NameOf(RunEnd end) { return RowOf(end).name; }

RunEnd RunEndOf(const std::string& name) {
  for (const Row& row : kRows)
    if (name == row.name) return row.end;
  return RunEnd::kNone;
}

std::string KeyBehind(RunEnd end) { return RowOf(end).key; }

std::string AdviceAfter(RunEnd end) {
  const std::string key = KeyBehind(end);
  return key.empty() ? "" : "continue with " + Option("resume") + " and a larger " + key;
}

}  // namespace stemsmith
