// Training of one model into one run folder: batches from the cache, losses, an optimiser,
// validation, checkpoints.
//
// On the CPU a run is a function of configuration, cache and number of compute threads: stopped
// anywhere and resumed, it ends with the same bits as one left alone. Several processes may train
// together, as ranks (train/distributed.h): rank 0 alone writes into the run folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/device.h"
#include "core/error.h"
#include "core/host.h"
#include "train/launcher.h"

namespace stemsmith {

struct TrainRequest {
  std::filesystem::path run;  // the run folder
  bool resume = false;
  bool accept_changes = false;  // resumes with a configuration or a cache that is not the run's
  Device device;
  int threads = 0;             // compute threads; 0: one per core, shared with ranks beside it
  Launch launch;               // who trains together; the same request on all ranks but for this
  Host host;                   // of all ranks; that of the first alone hears anything
  bool any_precision = false;  // takes train.precision where it does not pay, too; for tests
  // Called after every step with the number of steps done; may throw, which stops the run as a
  // crash would.
  std::function<void(std::int64_t step)> after_step;
};

// On all ranks alike, but for `checkpoint`, which rank 0 alone knows.
struct TrainResult {
  std::int64_t step = 0;             // steps done, all in all
  double seconds = 0.0;              // over all resumptions
  std::int64_t skipped_draws = 0;    // since start or resumption: their audio is damaged
  int signal = 0;                    // the one that stopped it (a checkpoint is written), else 0
  nlohmann::json validation;         // the latest figures: {"step", "loss", "sdr_db": {STEM: …},
                                     // "mean_sdr_db", …}, or null
  nlohmann::json best;               // those of the best checkpoint, or null
  std::filesystem::path checkpoint;  // the one to export: best, or last where nothing was validated
};

// `config` is a training configuration (docs/training.md). Throws Error: configuration, cache, a
// folder that holds a run already (without resume) or none (with it), a loss that is no longer
// finite, memory that runs out.
TrainResult Train(const Config& config, const TrainRequest& request);

// The error where a GPU's memory runs out: names the settings that help. `where` is the run folder.
Error OutOfDeviceMemory(const std::string& where);

}  // namespace stemsmith
