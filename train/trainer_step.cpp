// What a training step computes in and what it keeps.
#include "core/error.h"
#include "models/layers/convolution_trial.h"
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

void Trainer::NameWrongConvolutions() {
  const std::vector<std::string> wrong = WrongConvolutions();
  if (wrong.size() == wrong_convolutions_) return;
  std::string text;
  for (std::size_t i = wrong_convolutions_; i < wrong.size(); ++i)
    text += (text.empty() ? "" : "; ") + wrong[i];
  const std::size_t count = wrong.size() - wrong_convolutions_;
  wrong_convolutions_ = wrong.size();
  progress_->Message("in " + options_.precision + " this machine computes " +
                     std::to_string(count) +
                     " of the convolutions wrongly; they run in float32: " + text);
}

}  // namespace stemsmith
