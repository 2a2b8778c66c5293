// A training configuration, read and checked. docs/training.md describes every key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/config.h"

namespace stemsmith {

struct TrainOptions {
  // dataset:
  std::filesystem::path cache;  // relative to the current folder
  double segment_seconds = 6.0;
  int loader_threads = 2;
  int prefetch_batches = 4;            // more smooths out slow reads and costs memory
  std::int64_t memory_mb = 0;          // of the loader; above 0 it lowers prefetch_batches
  std::int64_t samples_per_epoch = 0;  // 0: the length of all songs over that of a segment
  double min_rms_db = -120.0;          // level of each stem of a sample; -120: any
  bool balance_stems = false;
  std::string on_error = "fail";  // fail or skip: what damaged audio does

  // optimizer, gradient_clip:
  double learning_rate = 1e-3;
  double gradient_clip = 0.0;  // largest 2-norm of all gradients together; 0: no limit

  // train: (one of steps and epochs is set, the other 0)
  std::int64_t steps = 2000;
  std::int64_t epochs = 0;
  int batch_size = 8;
  int accumulate = 1;  // batches per step: as one batch of so many times the size, in less memory
  std::uint64_t seed = 42;
  double max_seconds = 0.0;  // 0: no limit
  double ema_decay = 0.0;    // 0: off
  std::int64_t log_every_steps = 10;
  bool sync_batch_norm = true;  // over all ranks; false: each rank's own, which costs no exchange
  double rank_timeout_seconds = 300.0;  // that ranks wait for each other

  // validate:
  std::int64_t validate_every = 200;  // 0: never
  std::string validate_split = "valid";
  std::int64_t max_segments = 64;  // 0: all
  std::string metric = "sdr";      // sdr or loss: what makes a checkpoint the best one

  // checkpoint:
  std::int64_t checkpoint_every = 200;  // 0: at the end only
  int keep = 3;                         // step_NNNNNN files

  std::int64_t samples_per_step() const { return std::int64_t{batch_size} * accumulate; }
};

// What makes up samples_per_step(), for errors: "train.batch_size (8)".
std::string StepText(const TrainOptions& options);

// Reads everything but the lists and nodes that have tables of their own (augment, loss, model, the
// rest of optimizer, schedule). Throws Error for values out of range and for settings that
// contradict each other.
TrainOptions ReadTrainOptions(const Config& config);

// What is changed between the resolved configurations of a run's start and of its resumption, as
// lines "optimizer.lr: 0.001 → 0.002". Keys that may change are left out: how long to train,
// checkpoints, validation, logging, the loader's threads, and the place of the cache (its
// fingerprint is compared instead).
std::vector<std::string> ConfigChanges(const std::string& before, const std::string& after);
// The same between rank 0 and another rank: all but the place of the cache and what the loader
// needs of a machine.
std::vector<std::string> RankDifferences(const std::string& first, const std::string& other);

// train.rank_timeout_seconds, which is needed before all else.
double RankTimeoutSeconds(const Config& config);

}  // namespace stemsmith
