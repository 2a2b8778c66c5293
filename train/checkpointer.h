// Saves a run so that it can be gone on from, and goes back to what was saved.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/checkpoint.h"
#include "train/run_output.h"
#include "train/run_parts.h"
#include "train/same_run.h"
#include "train/train_state.h"

namespace stemsmith {

// Collective: all ranks make the same calls. One thread at a time.
class Checkpointer {
 public:
  // What the rest of the run knows.
  struct Surroundings {
    std::function<double()> elapsed;  // seconds of the run so far
    std::function<bool()> validates;  // whether validation chooses among the averages
  };
  // All must outlive it. `state` is saved, and overwritten by Resume and RollBack.
  Checkpointer(RunParts& parts, RunOutput& output, TrainState& state, Surroundings surroundings)
      : parts_(parts), output_(output), state_(state), surroundings_(std::move(surroundings)) {}

  // Goes on from the newest checkpoint of the folder, which need not be of the same configuration
  // (TrainRequest::accept_changes). Throws Error.
  void Resume();
  // Goes back to the newest step_ checkpoint, with the data that comes next now; false without one.
  bool RollBack();

  void SaveLast();
  // The same, kept as step_ too; false where it could not be written, and training goes on.
  bool SavePeriodic();
  // False where these figures' weights could not be written: then what was the best before, and is
  // on the disk, stays the best.
  bool SaveBest(const nlohmann::json& figures);
  // Throws Error, with what is on the disk, where the run's results could not be written. `saved`:
  // the last checkpoint is of this step already.
  void SaveAtEnd(bool saved);

 private:
  // The tensors of a checkpoint, and the random numbers. Returns the averages that it lacks.
  std::vector<std::string> Restore(const Checkpoint& checkpoint, const TrainState& saved,
                                   bool changed);
  void RestoreRandom(const Checkpoint& checkpoint);
  NamedTensors RandomStates() const;  // of all ranks
  // The model as it is when not for resuming.
  Checkpoint MakeCheckpoint(bool for_resuming) const;

  RunParts& parts_;
  RunOutput& output_;
  TrainState& state_;
  const Surroundings surroundings_;
  NamedTensors random_;                        // the random streams, for the checkpoint in work
  std::int64_t saved_step_ = 0;                // of last.safetensors
  std::optional<std::string> best_not_saved_;  // why, where the best weights were lost
};

}  // namespace stemsmith
