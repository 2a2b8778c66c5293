// Schedules that are functions of the step.
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "train/schedule.h"

namespace stemsmith {
namespace {

class ConstantSchedule : public Schedule {
 public:
  double Factor(const SchedulePoint&) const override { return 1.0; }
};

// factor^n after n stretches, the warm-up counted in.
class StepSchedule : public Schedule {
 public:
  explicit StepSchedule(const Config& config)
      : factor_(config.NumberIn("factor", 0.1, 0.0, 1e3)),
        steps_(config.IntegerIn("every_steps", 0, 0, 1LL << 40)),
        epochs_(config.IntegerIn("every_epochs", 0, 0, 1LL << 40)) {
    if ((steps_ > 0) == (epochs_ > 0)) {
      throw Error::Usage(
          steps_ > 0 ? "schedule.every_steps and every_epochs contradict each other"
                     : "neither schedule.every_steps nor every_epochs says when to step",
          config.Where(steps_ > 0 ? "every_epochs" : "name"), "set one of them above 0");
    }
  }
  double Factor(const SchedulePoint& point) const override {
    const std::int64_t stretches = steps_ > 0 ? point.step / steps_ : point.epoch / epochs_;
    return std::pow(factor_, static_cast<double>(stretches));
  }

 private:
  double factor_;
  std::int64_t steps_, epochs_;
};

// Half a cosine from 1 down to `final_ratio`.
class CosineSchedule : public Schedule {
 public:
  explicit CosineSchedule(const Config& config)
      : final_ratio_(config.NumberIn("final_ratio", 0.0, 0.0, 1.0)) {}
  double Factor(const SchedulePoint& point) const override {
    return final_ratio_ +
           (1.0 - final_ratio_) * 0.5 * (1.0 + std::cos(std::numbers::pi * point.progress));
  }

 private:
  double final_ratio_;
};

}  // namespace

std::unique_ptr<Schedule> MakeConstant(const Config&) {
  return std::make_unique<ConstantSchedule>();
}

std::unique_ptr<Schedule> MakeStep(const Config& config) {
  return std::make_unique<StepSchedule>(config);
}

std::unique_ptr<Schedule> MakeCosine(const Config& config) {
  return std::make_unique<CosineSchedule>(config);
}

}  // namespace stemsmith
