// How fast and how far a run's steps go: records of every few steps, and the progress that is
// shown.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "train/meter.h"
#include "train/run_output.h"
#include "train/run_parts.h"

namespace stemsmith {

// One thread at a time.
class StepReport {
 public:
  // All must outlive it.
  StepReport(const RunParts& parts, RunOutput& output, TrainState& state)
      : parts_(parts), output_(output), state_(state) {}

  // What those who look at the run want to know besides its configuration.
  void RecordStart();
  // From now on steps are measured.
  void Begin();
  void AddStep(double loss, std::int64_t samples);
  // Leaves so many of the last seconds out: validations and checkpoints are no part of steps.
  void Leave(double seconds);
  void Show(double loss);
  // Records the steps since the last record.
  void Record(double gradient_norm, std::int64_t skipped_draws);

  // The same of a run that ends between two records. The sum of the losses stays: a longer run
  // records these steps with those that follow, as if it had not ended here.
  void RecordRest(double gradient_norm, std::int64_t skipped_draws);

  // Of the run, over all its resumptions.
  double Elapsed() const { return state_.seconds + session_.seconds(); }
  // To be added to: the time in forward, backward and optimiser.
  double& computed_seconds() { return computed_seconds_; }

 private:
  const RunParts& parts_;
  RunOutput& output_;
  TrainState& state_;
  Meter session_, record_, shown_;
  double computed_seconds_ = 0.0;
  std::string speed_text_, rate_text_;
  nlohmann::json rate_fields_;
};

}  // namespace stemsmith
