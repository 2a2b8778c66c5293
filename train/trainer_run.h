// The inside of Train(): one run, from building its parts to its last checkpoint. trainer.cpp holds
// the loop, trainer_checkpoint.cpp starting, resuming and saving, trainer_step.cpp what a step
// computes in, trainer_songs.cpp validation on whole songs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "core/error.h"
#include "datasets/loader/loader.h"
#include "models/checkpoint.h"
#include "train/best_metric.h"
#include "train/distributed.h"
#include "train/ema.h"
#include "train/excerpts.h"
#include "train/grad_scaler.h"
#include "train/meter.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/report/recorder.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/song_validation.h"
#include "train/train_state.h"
#include "train/trainer.h"
#include "train/validation.h"

namespace stemsmith {

// What the random streams of a rank are called in checkpoints, before the device's name.
inline std::string RankPrefix(int rank) {
  return rank == 0 ? "" : "rank" + std::to_string(rank) + ".";
}

class Trainer {
 public:
  Trainer(const Config& config, const TrainRequest& request, Ranks& ranks);
  TrainResult Run();
  // With the weights of the last step.
  const SeparationModel& model() const { return *model_; }

 private:
  void Start();
  void Resume();
  // Adds the loss of a batch, a part of a step, to `sum` and its gradients to those before; the
  // last batch of a step brings the ranks together.
  void AddGradients(const std::shared_ptr<const Batch>& batch, double& sum, bool last);
  // False where the step was left out for its loss.
  bool TrainStep();
  // What a forward pass may change of the model, and its values before a step, for SkipBatch.
  void FindBuffers();
  void RememberBuffers();
  // Leaves a step out whose loss or gradient is of no use, before the optimiser has used it: the
  // model is as it was before. The second one in a row goes back to the newest step_ checkpoint.
  // Throws Error when there are more than max_bad_batches.
  void SkipBatch(const std::string& problem, double loss,
                 const std::vector<std::string>& own_songs);
  // Goes back to the newest step_ checkpoint, with the data that comes next now; false without one.
  bool RollBack();
  // The tensors of a checkpoint, and the random numbers. Returns the averages that it lacks.
  std::vector<std::string> RestoreTensors(const Checkpoint& checkpoint, const TrainState& saved,
                                          const std::string& where, bool changed = false);
  void OpenLog(std::int64_t last_step);  // of rank 0
  // Precision and activation checkpointing.
  void SetUpStep();
  // Those that were found wrong in 16 bits since it was called last.
  void NameWrongConvolutions();
  void Log();
  void Record(double loss);
  // `last`: of the run, which is on whole songs where any is.
  void Validate(bool last);
  void MakeSongValidation();
  nlohmann::json ValidateSongs() const;  // and says what came out; on rank 0
  bool OutOfPatience() const {
    return options_.patience > 0 && state_.validations_since_best >= options_.patience;
  }
  std::int64_t Parameters() const;  // trainable ones
  void RecordStart();
  Checkpoint DescribeModel() const;  // a checkpoint without weights
  bool TimeIsUp() const;
  std::int64_t SkippedDraws() const {  // of all ranks
    return ranks_.several() ? figures_.skipped_draws : loader_->skipped_draws();
  }
  bool ShouldResume() const;
  void JoinRanks();
  NamedTensors RandomStates() const;
  // `model_` as it is when not for resuming.
  Checkpoint MakeCheckpoint(bool for_resuming) const;
  // False when these figures' weights could not be written: then what was the best before, and is
  // on the disk, stays the best.
  bool SaveBest(const nlohmann::json& figures);
  void SaveLast();
  bool SavePeriodic();  // false when it could not be written
  // Throws Error, with what is on the disk, when the run's results could not be written.
  void SaveAtEnd(bool saved);
  void ShowProgress(double loss);
  torch::Tensor ToDevice(const std::vector<float>& values, at::IntArrayRef shape,
                         const std::shared_ptr<const Batch>& owner) const;
  double Elapsed() const { return state_.seconds + session_.seconds(); }

  const Config& config_;
  const TrainRequest& request_;
  Ranks& ranks_;
  TrainOptions options_;
  torch::Device device_;
  int threads_;
  AugmentChain augment_;
  std::unique_ptr<CacheReader> cache_;
  std::shared_ptr<SeparationModel> model_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverages> averages_;
  std::unique_ptr<BestMetric> best_metric_;
  std::optional<GradScaler> scaler_;        // with float16
  std::unique_ptr<Validation> validation_;  // null where nothing is validated
  std::unique_ptr<SongValidation> songs_;   // null where none are validated whole
  std::unique_ptr<LearningRate> learning_rate_;
  std::int64_t segment_frames_ = 0, total_steps_ = 0;
  std::optional<RunFolder> folder_;          // of rank 0; so is the log
  std::unique_ptr<Loader> loader_;           // after the cache that it reads
  std::unique_ptr<ExcerptSource> excerpts_;  // null where none are taken
  std::unique_ptr<RunRecorder> log_;
  std::unique_ptr<Progress> progress_;

  std::vector<std::string> start_messages_;  // of `init` and `freeze`
  TrainState state_;
  std::int64_t saved_step_ = 0;                // of last.safetensors
  std::optional<std::string> best_not_saved_;  // why, where the best weights were lost
  double gradient_norm_ = 0.0;
  std::size_t wrong_convolutions_ = 0;  // named so far
  std::vector<torch::Tensor> buffers_, buffers_before_;
  double computed_seconds_ = 0.0;  // in forward, backward and optimiser
  StepFigures figures_;            // of all ranks in the last step
  NamedTensors random_;            // the random streams of all ranks, for the checkpoint in work
  Meter session_, record_, shown_;
  std::string rate_text_;
  nlohmann::json rate_fields_;
};

// Names the settings that help.
Error OutOfDeviceMemory(const std::string& where);

}  // namespace stemsmith
