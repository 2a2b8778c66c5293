#include "train/schedule.h"

#include <algorithm>

#include "core/names.h"

namespace stemsmith {

const std::vector<ScheduleRow>& ScheduleTable() {
  static const std::vector<ScheduleRow> table = {
      {"constant", "the same rate throughout", MakeConstant},
      {"step", "times `factor` every time this many steps or epochs have passed", MakeStep},
      {"cosine", "half a cosine down to final_ratio of the rate", MakeCosine},
      {"plateau", "times `factor` where the validation's loss no longer falls", MakePlateau},
  };
  return table;
}

LearningRate::LearningRate(const Config& config, double base_rate) : base_rate_(base_rate) {
  const ScheduleRow& row =
      FindRow(ScheduleTable(), config.String("name", "constant"), "schedule", config.Where("name"));
  warmup_steps_ = config.IntegerIn("warmup_steps", 0, 0, 1LL << 40);
  schedule_ = row.make(config);
}

void LearningRate::UseRun(std::int64_t total_steps, std::int64_t steps_per_epoch) {
  total_steps_ = total_steps;
  steps_per_epoch_ = std::max<std::int64_t>(1, steps_per_epoch);
}

double LearningRate::At(std::int64_t step) const {
  if (step < warmup_steps_) {
    return base_rate_ * static_cast<double>(step + 1) / static_cast<double>(warmup_steps_);
  }
  const double span = static_cast<double>(std::max<std::int64_t>(1, total_steps_ - warmup_steps_));
  SchedulePoint point;
  point.step = step;
  point.epoch = step / steps_per_epoch_;
  point.progress = std::clamp(static_cast<double>(step - warmup_steps_) / span, 0.0, 1.0);
  return base_rate_ * schedule_->Factor(point);
}

void LearningRate::LoadState(const nlohmann::json& state, const std::string& where) {
  if (state.is_null()) return;
  try {
    schedule_->LoadState(state);
  } catch (const Error& error) {
    throw Error::Input(error.problem(), where, error.advice());
  }
}

}  // namespace stemsmith
