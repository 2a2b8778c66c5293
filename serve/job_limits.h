// What a song and the work on it may take.
#pragma once

#include <cstdint>

namespace stemsmith {

struct JobLimits {
  std::int64_t upload_bytes = std::int64_t{2} << 30;
  double song_seconds = 3600;
  std::int64_t queue = 50;             // jobs that wait
  double job_seconds = 4 * 3600;       // of `separate`, for one song
  std::int64_t job_bytes = std::int64_t{8} << 30;  // of its memory
  int uploads = 100;                   // that are in work or not complete
  int most_crashes = 3;                // of `separate` in one job
  double keep_days = 30;               // of service, after which a job and its files are removed
  std::int64_t keep_bytes = std::int64_t{50} << 30;  // of all files; the oldest go first
};

}  // namespace stemsmith
