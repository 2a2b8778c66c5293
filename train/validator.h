// Validates a run: on segments and, where asked for, on whole songs; chooses among the averages of
// the weights, and knows what was the best.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "models/model_runtime.h"
#include "train/excerpts.h"
#include "train/run_output.h"
#include "train/run_parts.h"
#include "train/song_validation.h"
#include "train/train_state.h"
#include "train/validation.h"

namespace stemsmith {

// Collective: all ranks make the same calls. One thread at a time.
class Validator {
 public:
  // Saves the model as it stands as the best so far, with its figures; false where it could not.
  using SaveBest = std::function<bool(const nlohmann::json& figures)>;
  // All must outlive it. Throws Error where the settings of `validate:` contradict the others.
  Validator(RunParts& parts, RunOutput& output, TrainState& state, SaveBest save_best);

  // Whether anything is validated: there may be no songs of the split.
  bool active() const { return segments_ && segments_->segments() > 0; }
  bool DueNow() const;     // after this step
  bool WasRunNow() const;  // on the weights of this step
  // `last`: of the run, which is on whole songs where any is. Leaves the model as it is.
  void Run(bool last);
  bool OutOfPatience() const;
  // Leaves excerpts of the best checkpoint, the one to export, where those of another step lie.
  void ShowKept() const;

 private:
  // The best of the weights of the step and their averages, which stay in the model.
  struct Choice {
    ValidationFigures figures;
    nlohmann::json json, all;     // with the average's name; of all of them
    const NamedTensors* weights;  // of the average; null: those of the step
  };
  Choice ChooseAverage();
  void MakeSongs();
  nlohmann::json JudgeSongs() const;  // and says what came out; on rank 0
  void TakeExcerpts(bool last) const;
  ModelRuntime Runtime() const;  // the model as it stands
  void Tell(const Choice& choice, bool better) const;

  RunParts& parts_;
  RunOutput& output_;
  TrainState& state_;
  const SaveBest save_best_;
  std::unique_ptr<Validation> segments_;   // null where nothing is validated
  std::unique_ptr<SongValidation> songs_;  // null where none are validated whole
  std::unique_ptr<ExcerptSource> excerpts_;
};

}  // namespace stemsmith
