#include "serve/jobs/job_store.h"

namespace stemsmith {

namespace {
constexpr const char* kNames[] = {"queued", "running", "done", "failed", "cancelled"};
}  // namespace

const char* JobStateName(JobState state) { return kNames[static_cast<int>(state)]; }

std::optional<JobState> FindJobState(const std::string& name) {
  for (int i = 0; i < 5; ++i)
    if (name == kNames[i]) return static_cast<JobState>(i);
  return std::nullopt;
}

}  // namespace stemsmith
