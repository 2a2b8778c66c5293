// What a training run is made of, read, built and checked: all but where it stands and what it
// writes.
#pragma once

#include <c10/core/DeviceGuard.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "core/config.h"
#include "datasets/cache/cache.h"
#include "datasets/loader/loader.h"
#include "models/checkpoint.h"
#include "train/best_metric.h"
#include "train/distributed.h"
#include "train/ema.h"
#include "train/grad_scaler.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/schedule.h"
#include "train/train_request.h"
#include "train/train_state.h"

namespace stemsmith {

struct RunParts {
  // Throws Error for whatever does not fit together. `request` and `ranks` must outlive it.
  RunParts(const Config& config, const TrainRequest& request, Ranks& ranks);

  // Makes the ranks one group, once all of them are built: throws Error where they are not alike.
  void JoinRanks(const TrainState& state);

  std::int64_t Parameters() const;   // trainable ones
  Checkpoint DescribeModel() const;  // a checkpoint without weights
  std::string where() const { return request.run.string(); }

  const TrainRequest& request;
  Ranks& ranks;
  Config config;  // with the model that `init` or the resumed run means
  TrainOptions options;
  torch::Device device;
  c10::OptionalDeviceGuard on_device;  // where it is not the first GPU
  int threads;
  AugmentChain augment;
  std::unique_ptr<CacheReader> cache;
  std::shared_ptr<SeparationModel> model;
  std::optional<double> lora_alpha;  // of the model's adapters
  std::unique_ptr<Objective> objective;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<WeightAverages> averages;
  std::unique_ptr<BestMetric> best_metric;
  std::optional<GradScaler> scaler;  // with float16
  std::unique_ptr<LearningRate> learning_rate;
  std::int64_t segment_frames = 0, total_steps = 0;
  std::unique_ptr<Loader> loader;           // after the cache that it reads
  std::vector<std::string> start_messages;  // of `init` and `freeze`

 private:
  void BuildModel();
  void CheckStemsPerStep() const;
  void ChooseArithmetic();  // precision and activation checkpointing
  LoaderOptions OptionsOfLoader() const;
};

}  // namespace stemsmith
