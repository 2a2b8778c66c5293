// What is done with steps whose loss or gradient is of no use: they are left out, and several in a
// row go back to a checkpoint.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/run_output.h"
#include "train/run_parts.h"
#include "train/train_state.h"

namespace stemsmith {

// Collective: all ranks make the same calls. One thread at a time.
class BadSteps {
 public:
  // All must outlive it. `roll_back` goes back to an earlier checkpoint; false where there is none.
  BadSteps(RunParts& parts, RunOutput& output, TrainState& state, std::function<bool()> roll_back)
      : parts_(parts), output_(output), state_(state), roll_back_(std::move(roll_back)) {}

  // Before the first step, and before each: remembers what a forward pass may change of the model.
  void Begin();
  void BeforeStep();
  // Leaves the step out, before the optimiser has used it: the model is as it was before. The
  // second one in a row rolls back. `own_songs` are this rank's. Throws Error when there are more
  // than max_bad_batches.
  void LeaveOut(const std::string& problem, double loss, const std::vector<std::string>& own_songs);

 private:
  [[noreturn]] void GiveUp(const std::string& problem, const std::vector<std::string>& songs) const;

  RunParts& parts_;
  RunOutput& output_;
  TrainState& state_;
  const std::function<bool()> roll_back_;
  std::vector<torch::Tensor> buffers_, buffers_before_;
};

}  // namespace stemsmith
