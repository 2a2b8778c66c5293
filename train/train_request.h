// What a training run is asked for, and what it comes to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/device.h"
#include "core/host.h"
#include "train/launcher.h"
#include "train/report/run_end.h"

namespace stemsmith {

struct TrainRequest {
  std::filesystem::path run;  // the run folder
  bool resume = false;
  bool accept_changes = false;  // resumes with a configuration or a cache that is not the run's
  Device device;
  int threads = 0;             // compute threads; 0: one per core, shared with ranks beside it
  Launch launch;               // who trains together; the same request on all ranks but for this
  Host host;                   // of all ranks; of the others only damaged samples are told
  bool any_precision = false;  // takes train.precision where it does not pay, too; for tests
  // Called after every step with the number of steps done; may throw, which stops the run as a
  // crash would.
  std::function<void(std::int64_t step)> after_step;
};

// On all ranks alike, but for `checkpoint`, which rank 0 alone knows.
struct TrainResult {
  std::int64_t step = 0;           // steps done, all in all
  double seconds = 0.0;            // over all resumptions
  std::int64_t skipped_draws = 0;  // since start or resumption: their audio is damaged
  RunEnd end = RunEnd::kNone;
  int signal = 0;                    // the one that stopped it (a checkpoint is written), else 0
  nlohmann::json validation;         // the latest figures: {"step", "loss", "sdr_db": {STEM: …},
                                     // "mean_sdr_db", …}, or null
  nlohmann::json best;               // those of the best checkpoint, or null
  std::filesystem::path checkpoint;  // the one to export: best, or last where nothing was validated
};

}  // namespace stemsmith
