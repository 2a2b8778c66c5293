// One run from its first step, or the one that it is resumed at, to its last checkpoint: the loop
// that Train() runs on each rank.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "train/bad_steps.h"
#include "train/checkpointer.h"
#include "train/run_output.h"
#include "train/run_parts.h"
#include "train/step_report.h"
#include "train/train_request.h"
#include "train/validator.h"

namespace stemsmith {

class TrainingLoop {
 public:
  // Throws Error as Train() does. `request` and `ranks` must outlive it.
  TrainingLoop(const Config& config, const TrainRequest& request, Ranks& ranks);
  TrainResult Run();
  // With the weights of the last step.
  const SeparationModel& model() const { return *parts_.model; }

 private:
  bool ShouldResume() const;
  void Start();
  void Resume();
  // The steps, until the last one, a signal or the end of patience or time. Returns which of these
  // it was, the signal (or 0), and in `saved_at` the step of the last checkpoint.
  RunEnd RunSteps(std::int64_t& saved_at, int& signal);
  // False where the step was left out for its loss.
  bool Step();
  // The places of this step's stems with train.stems_per_step; empty: all.
  std::vector<std::int64_t> StemsOfStep() const;
  // Adds the loss of a batch, a part of a step, to `sum` and its gradients to those before; the
  // last batch of a step brings the ranks together.
  void AddGradients(const std::shared_ptr<const Batch>& batch, double& sum, bool last);
  torch::Tensor ToDevice(const std::vector<float>& values, at::IntArrayRef shape,
                         const std::shared_ptr<const Batch>& owner) const;
  // Those that were found wrong in 16 bits since it was called last.
  void NameWrongConvolutions();
  bool TimeIsUp() const;
  // Why a run has no steps left when it is started or resumed; kNone where it has. The same on all
  // ranks.
  RunEnd EndBeforeSteps() const;
  // Where it stopped before its last step.
  void SayWhyItStopped(RunEnd end);
  std::int64_t SkippedDraws() const;  // of all ranks

  RunParts parts_;
  TrainState state_;
  RunOutput output_;
  StepReport report_;
  Checkpointer checkpointer_;
  Validator validator_;
  BadSteps bad_steps_;
  StepFigures figures_;  // of all ranks in the last step
  double gradient_norm_ = 0.0;
  std::size_t wrong_convolutions_ = 0;  // named so far
};

}  // namespace stemsmith
