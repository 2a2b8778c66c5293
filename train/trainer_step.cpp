// What a training step computes in and what it keeps.
#include "core/error.h"
#include "train/precision.h"
#include "train/trainer_run.h"

namespace stemsmith {

void Trainer::SetUpStep() {
  const Config train = config_.Child("train");
  const auto precision =
      ChoosePrecision(options_.precision, device_, train, request_.any_precision);
  objective_->UsePrecision(precision);
  if (precision == at::kHalf) scaler_.emplace();

  if (options_.activation_checkpointing && !model_->has_checkpoints()) {
    throw Error::Usage(
        "the model '" + config_.Child("model").String("name", "") + "' has no levels to checkpoint",
        train.Where("activation_checkpointing"), "leave it out, or use a smaller batch or segment");
  }
  model_->UseCheckpoints(options_.activation_checkpointing);
}

}  // namespace stemsmith
