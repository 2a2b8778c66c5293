// Where a training run stands: all of it that is not tensors. Lies as JSON in the checkpoint's
// training_state.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "datasets/loader/loader.h"
#include "models/checkpoint.h"

namespace stemsmith {

struct TrainState {
  static constexpr int kVersion = 2;

  std::int64_t step = 0;    // optimiser steps done
  LoaderPosition position;  // of the batch that comes next
  double seconds = 0.0;     // trained so far, validations included, over all resumptions
  double loss_sum = 0.0;    // of the steps since the last record in metrics.jsonl
  std::int64_t loss_count = 0;
  nlohmann::json validation;  // the latest figures with their "step"; null before the first
  nlohmann::json best;        // those of the best checkpoint
  std::int64_t validations_since_best = 0;
  std::map<std::string, std::int64_t> average_updates;  // of each average of the weights
  std::vector<double> recent_losses;                    // what explosions are judged by
  std::int64_t bad_batches = 0;  // steps left out because of their loss, all in all
  std::int64_t bad_in_row = 0;   // those after the last good step
  nlohmann::json schedule;       // what the learning rate's schedule has learnt; null: nothing
  std::string config;            // the resolved configuration
  std::string cache_fingerprint;
  int threads = 0;  // compute threads: another number rounds differently
  std::string device;
  nlohmann::json scaler;  // the loss scaling of float16; null without
  int ranks = 1;          // processes that train together

  // Becomes `saved` in all but what this process was started with: configuration, cache, threads
  // and device.
  void TakeProgressOf(TrainState saved);

  nlohmann::json ToJson() const;
  // Of this version. Throws Error (`where` names the file) for damaged ones.
  static TrainState FromJson(const nlohmann::json& json, const std::string& where);
};

// Brings training state and tensors of a checkpoint written by an older stemsmith to this version.
// Throws Error for those of a newer version, for ones too old, and for damaged ones.
//   1 → 2: the one average of the weights, which stood in place of the weights, becomes the average
//   `ema.batch: [train.ema_decay]`.
void MigrateTraining(Checkpoint& checkpoint, const std::string& where);

}  // namespace stemsmith
