// The learning rate over the steps of a run: a linear warm-up, then a row of one table.
//
// A further schedule is a file in schedules/ with a row in schedule.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/config.h"

namespace stemsmith {

// A step of a run, counted from 0.
struct SchedulePoint {
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  double progress = 0.0;  // of the run without its warm-up, in [0, 1]
};

// One thread at a time.
class Schedule {
 public:
  virtual ~Schedule() = default;
  // What the base rate is multiplied with.
  virtual double Factor(const SchedulePoint& point) const = 0;

  // Schedules that look at the validation's loss are told each, and keep what they have learnt in
  // the checkpoint. The others are functions of the step.
  virtual bool needs_validation() const { return false; }
  virtual void Validated(double /*loss*/) {}
  virtual nlohmann::json State() const { return nullptr; }
  virtual void LoadState(const nlohmann::json& /*state*/) {}
};

struct ScheduleRow {
  const char* name;
  const char* summary;
  // `config` is the `schedule` node without `name` and `warmup_steps`.
  std::unique_ptr<Schedule> (*make)(const Config& config);
};
const std::vector<ScheduleRow>& ScheduleTable();

// The makers of the table's rows.
std::unique_ptr<Schedule> MakeConstant(const Config& config);
std::unique_ptr<Schedule> MakeStep(const Config& config);
std::unique_ptr<Schedule> MakeCosine(const Config& config);
std::unique_ptr<Schedule> MakePlateau(const Config& config);

class LearningRate {
 public:
  // `config` is the `schedule` node. Throws Error for unknown names (with the nearest one).
  LearningRate(const Config& config, double base_rate);
  // To be called before At(): how long the run and its epochs are.
  void UseRun(std::int64_t total_steps, std::int64_t steps_per_epoch);
  // For the step with number `step` (from 0).
  double At(std::int64_t step) const;

  bool needs_validation() const { return schedule_->needs_validation(); }
  void Validated(double loss) { schedule_->Validated(loss); }
  // Null where there is nothing to keep. LoadState throws Error (`where` names the file) for what
  // State() did not give.
  nlohmann::json State() const { return schedule_->State(); }
  void LoadState(const nlohmann::json& state, const std::string& where);

 private:
  double base_rate_;
  std::int64_t warmup_steps_ = 0;
  std::int64_t total_steps_ = 1, steps_per_epoch_ = 1;
  std::unique_ptr<Schedule> schedule_;
};

}  // namespace stemsmith
