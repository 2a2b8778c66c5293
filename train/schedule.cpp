#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "train/table.h"

namespace stemsmith {
namespace {

class ConstantSchedule : public Schedule {
 public:
  double Factor(double) const override { return 1.0; }
};

// Half a cosine from 1 down to `final_ratio`.
class CosineSchedule : public Schedule {
 public:
  explicit CosineSchedule(const Config& config)
      : final_ratio_(config.NumberIn("final_ratio", 0.0, 0.0, 1.0)) {}
  double Factor(double progress) const override {
    return final_ratio_ +
           (1.0 - final_ratio_) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  }

 private:
  double final_ratio_;
};

}  // namespace

const std::vector<ScheduleRow>& ScheduleTable() {
  static const std::vector<ScheduleRow> table = {
      {"constant", "the same rate throughout",
       [](const Config&) -> std::unique_ptr<Schedule> {
         return std::make_unique<ConstantSchedule>();
       }},
      {"cosine", "half a cosine down to final_ratio of the rate",
       [](const Config& config) -> std::unique_ptr<Schedule> {
         return std::make_unique<CosineSchedule>(config);
       }},
  };
  return table;
}

LearningRate::LearningRate(const Config& config, double base_rate) : base_rate_(base_rate) {
  const ScheduleRow& row =
      FindRow(ScheduleTable(), config.String("name", "constant"), "schedule", config);
  warmup_steps_ = config.IntegerIn("warmup_steps", 0, 0, 1LL << 40);
  schedule_ = row.make(config);
}

double LearningRate::At(std::int64_t step, std::int64_t total_steps) const {
  if (step < warmup_steps_) {
    return base_rate_ * static_cast<double>(step + 1) / static_cast<double>(warmup_steps_);
  }
  const double span = static_cast<double>(std::max<std::int64_t>(1, total_steps - warmup_steps_));
  const double progress = static_cast<double>(step - warmup_steps_) / span;
  return base_rate_ * schedule_->Factor(std::clamp(progress, 0.0, 1.0));
}

}  // namespace stemsmith
