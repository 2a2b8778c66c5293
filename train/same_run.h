// Whether a run folder's checkpoint can be gone on from with a configuration and a cache that may
// not be those it was started with.
#pragma once

#include <string>
#include <vector>

#include "models/checkpoint.h"
#include "train/train_state.h"

namespace stemsmith {

struct RunChanges {
  std::vector<std::string> texts;  // "optimizer.lr: 0.001 → 0.002", one per change
  bool epoch_anew = false;         // batches are not those they were: the epoch begins again
  bool new_losses = false;         // losses of before and after cannot be compared
  bool empty() const { return texts.empty(); }
};

// `saved` is the state in `checkpoint`, `now` that of the run that is to go on, `given` its
// configuration without defaults, `setting` that of its model. Throws Error naming what changed
// unless `accept`, and for what cannot be accepted: another model, other stems, rate or channels.
// `where` names the run folder.
RunChanges CompareRuns(const TrainState& saved, const Checkpoint& checkpoint, const TrainState& now,
                       const std::string& given, const ModelSetting& setting, bool accept,
                       const std::string& where);

}  // namespace stemsmith
