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
  std::filesystem::path cache;  // found as Config::Path says
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
  std::int64_t stems_per_step = 0;        // drawn anew for each; 0: all
  std::string precision = "float32";      // or bfloat16, float16
  bool activation_checkpointing = false;  // less memory, about a third more time
  bool deterministic = false;             // on a GPU; a CPU always is
  std::uint64_t seed = 42;
  double max_seconds = 0.0;  // 0: no limit
  // Steps left out because their loss is of no use, before the run ends; and what an explosion is.
  std::int64_t max_bad_batches = 10;
  double explosion_factor = 50.0;  // times the median of the losses before; 0: nothing is one
  std::int64_t log_every_steps = 10;
  bool sync_batch_norm = true;  // over all ranks; false: each rank's own, which costs no exchange
  double rank_timeout_seconds = 600.0;  // that ranks wait for each other

  // validate:
  std::int64_t validate_every = 200;  // 0: never
  std::string validate_split = "valid";
  std::int64_t max_segments = 64;    // 0: all
  std::int64_t patience = 0;         // validations without a better one before the run ends; 0: any
  std::int64_t songs_every = 0;      // validations of which one is on whole songs too; 0: never
  double songs_max_seconds = 300.0;  // for the whole songs of one validation; 0: no limit

  // checkpoint:
  std::int64_t checkpoint_every = 200;  // 0: at the end only
  int keep = 3;                         // step_NNNNNN files

  // report:
  bool tensorboard = true;
  std::int64_t report_songs = 3;  // validation songs with excerpts; 0: none
  double report_seconds = 8.0;    // of each

  std::int64_t samples_per_step() const { return std::int64_t{batch_size} * accumulate; }
};

// What makes up samples_per_step(), for errors: "train.batch_size (8)".
std::string StepText(const TrainOptions& options);

// Reads everything but the lists and nodes that have tables of their own (augment, loss, model, the
// rest of optimizer, schedule). Throws Error for values out of range and for settings that
// contradict each other.
TrainOptions ReadTrainOptions(const Config& config);

// A key whose value is not the one that a run was started with; "" where it is not there.
struct ConfigChange {
  std::string key, before, after;
  std::string Text() const;  // "optimizer.lr: 0.001 → 0.002"
};
// What is changed between the resolved configurations of a run's start and of its resumption. Keys
// that may change are left out: how long to train, checkpoints, validation, logging, the loader's
// threads, and the place of the cache (its fingerprint is compared instead). `given` is `after`
// without its defaults: a key that the run did not know, and that has its default, is no change.
std::vector<ConfigChange> ConfigChanges(const std::string& before, const std::string& after,
                                        const std::string& given);
// The same between rank 0 and another rank: all but the place of the cache and what the loader
// needs of a machine.
std::vector<ConfigChange> RankDifferences(const std::string& first, const std::string& other);

// train.rank_timeout_seconds, which is needed before all else.
double RankTimeoutSeconds(const Config& config);

}  // namespace stemsmith
