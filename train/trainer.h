// Training of one model into one run folder: batches from the cache, losses, an optimiser,
// validation, checkpoints.
//
// On the CPU a run is a function of configuration, cache and number of compute threads: stopped
// anywhere and resumed, it ends with the same bits as one left alone. Several processes may train
// together, as ranks (train/distributed.h): rank 0 alone writes into the run folder.
#pragma once

#include <string>

#include "core/config.h"
#include "core/error.h"
#include "train/train_request.h"

namespace stemsmith {

// `config` is a training configuration (docs/training.md). Throws Error: configuration, cache, a
// folder that holds a run already (without resume) or none (with it), a loss that is no longer
// finite, memory that runs out.
TrainResult Train(const Config& config, const TrainRequest& request);

// The error where a GPU's memory runs out: names the settings that help. `where` is the run folder.
Error OutOfDeviceMemory(const std::string& where);

}  // namespace stemsmith
