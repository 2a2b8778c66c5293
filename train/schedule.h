// The learning rate over the steps of a run: a linear warm-up, then a row of one table. A pure
// function of the step, so that a resumed run needs no state for it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/config.h"

namespace stemsmith {

class Schedule {
 public:
  virtual ~Schedule() = default;
  // What the base rate is multiplied with at `progress` in [0, 1) of the run, warm-up left out.
  virtual double Factor(double progress) const = 0;
};

struct ScheduleRow {
  const char* name;
  const char* summary;
  // `config` is the `schedule` node without `name` and `warmup_steps`.
  std::unique_ptr<Schedule> (*make)(const Config& config);
};
const std::vector<ScheduleRow>& ScheduleTable();

class LearningRate {
 public:
  // `config` is the `schedule` node. Throws Error for unknown names (with the nearest one).
  LearningRate(const Config& config, double base_rate);
  // For the step with number `step` (from 0) of a run of `total_steps`.
  double At(std::int64_t step, std::int64_t total_steps) const;

 private:
  double base_rate_;
  std::int64_t warmup_steps_ = 0;
  std::unique_ptr<Schedule> schedule_;
};

}  // namespace stemsmith
