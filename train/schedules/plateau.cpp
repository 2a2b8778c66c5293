// The rule of torch.optim.lr_scheduler.ReduceLROnPlateau (mode min, relative threshold).
#include <algorithm>
#include <cmath>

#include "core/json_fields.h"
#include "core/option.h"
#include "train/schedule.h"

namespace stemsmith {
namespace {

class PlateauSchedule : public Schedule {
 public:
  explicit PlateauSchedule(const Config& config)
      : factor_(config.NumberIn("factor", 0.1, 0.0, 1.0)),
        threshold_(config.NumberIn("threshold", 1e-4, 0.0, 1.0)),
        final_ratio_(config.NumberIn("final_ratio", 0.0, 0.0, 1.0)),
        patience_(config.IntegerIn("patience", 10, 0, 1LL << 40)),
        cooldown_(config.IntegerIn("cooldown", 0, 0, 1LL << 40)) {}

  double Factor(const SchedulePoint&) const override { return now_; }
  bool needs_validation() const override { return true; }

  void Validated(double loss) override {
    // A loss that is no number is no better than any.
    if (std::isfinite(loss) && (!has_best_ || loss < best_ * (1.0 - threshold_))) {
      has_best_ = true;
      best_ = loss;
      bad_ = 0;
    } else {
      ++bad_;
    }
    if (resting_ > 0) {
      --resting_;
      bad_ = 0;
    }
    if (bad_ > patience_) {
      now_ = std::max(now_ * factor_, final_ratio_);
      resting_ = cooldown_;
      bad_ = 0;
    }
  }

  nlohmann::json State() const override {
    return {{"factor", now_},
            {"best", has_best_ ? nlohmann::json(best_) : nlohmann::json(nullptr)},
            {"bad", bad_},
            {"resting", resting_}};
  }
  void LoadState(const nlohmann::json& state) override {
    const JsonFields fields(state, [](const std::string& problem) {
      return Error::Input("the state of the learning rate's schedule is damaged: " + problem, "",
                          "start again with another " + Option("run"));
    });
    now_ = fields.Number<double>("factor", {0, 1});
    has_best_ = !fields.Value("best").is_null();
    if (has_best_) best_ = fields.Number<double>("best");
    bad_ = fields.Number<std::int64_t>("bad", {0, 1LL << 40});
    resting_ = fields.Number<std::int64_t>("resting", {0, 1LL << 40});
  }

 private:
  const double factor_, threshold_, final_ratio_;
  const std::int64_t patience_, cooldown_;  // in validations
  double now_ = 1.0;
  bool has_best_ = false;
  double best_ = 0.0;
  std::int64_t bad_ = 0, resting_ = 0;  // validations without gain; left of the cooldown
};

}  // namespace

std::unique_ptr<Schedule> MakePlateau(const Config& config) {
  return std::make_unique<PlateauSchedule>(config);
}

}  // namespace stemsmith
