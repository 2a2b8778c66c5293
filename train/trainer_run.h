// The inside of Train(): one run, from building its parts to its last checkpoint. trainer.cpp holds
// the loop, trainer_checkpoint.cpp starting, resuming and saving.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "datasets/loader.h"
#include "models/checkpoint.h"
#include "train/ema.h"
#include "train/excerpts.h"
#include "train/meter.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/report/recorder.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/train_state.h"
#include "train/trainer.h"
#include "train/validation.h"

namespace stemsmith {

// A number as printf writes it.
inline std::string Format(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class Trainer {
 public:
  Trainer(const Config& config, const TrainRequest& request);
  TrainResult Run();

 private:
  void Start();
  void Resume();
  // The loss of a batch, a part of a step; its gradients are added to those before.
  double AddGradients(const std::shared_ptr<const Batch>& batch);
  void TrainStep();
  void Log();
  void Validate(bool last);
  std::int64_t Parameters() const;  // trainable ones
  void RecordStart();
  bool IsBetter(const nlohmann::json& figures) const;
  Checkpoint MakeCheckpoint(bool for_resuming) const;
  void SaveBest();
  void SaveLast();
  void SavePeriodic();
  void ShowProgress(double loss);
  torch::Tensor ToDevice(const std::vector<float>& values, at::IntArrayRef shape,
                         const std::shared_ptr<const Batch>& owner) const;
  double Elapsed() const { return state_.seconds + session_.seconds(); }

  const Config& config_;
  const TrainRequest& request_;
  TrainOptions options_;
  torch::Device device_;
  int threads_;
  AugmentChain augment_;
  std::unique_ptr<CacheReader> cache_;
  std::shared_ptr<SeparationModel> model_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;  // null without EMA
  std::unique_ptr<Validation> validation_;  // null where nothing is validated
  std::unique_ptr<LearningRate> learning_rate_;
  std::int64_t segment_frames_ = 0, total_steps_ = 0;
  std::optional<RunFolder> folder_;
  std::unique_ptr<Loader> loader_;           // after the cache that it reads
  std::unique_ptr<ExcerptSource> excerpts_;  // null where none are taken
  std::unique_ptr<RunRecorder> log_;
  std::unique_ptr<Progress> progress_;

  std::vector<std::string> start_messages_;  // of `init` and `freeze`
  TrainState state_;
  double gradient_norm_ = 0.0;
  Meter session_, record_, shown_;
  std::string rate_text_;
  nlohmann::json rate_fields_;
};

}  // namespace stemsmith
