// The folder of one training run:
//   config.yaml   the resolved configuration       metrics.jsonl   what was measured, a line each
//   tensorboard/  events for TensorBoard           listen/         excerpts of validation songs
//   report.html   all of it, to look at            checkpoints/{last,best,step_NNNNNN}.safetensors
// One process at a time trains into it; every file in it is replaced whole.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "core/host.h"
#include "core/pending_files.h"
#include "models/checkpoint.h"

namespace stemsmith {

class RunFolder {
 public:
  // Makes the folder and takes its lock. Throws Error when it cannot be written or another process
  // trains there.
  explicit RunFolder(std::filesystem::path root);
  // Throws Error where there is no run to go on with; makes nothing.
  static void CheckIsThere(const std::filesystem::path& root);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path metrics() const { return root_ / "metrics.jsonl"; }
  std::filesystem::path config() const { return root_ / "config.yaml"; }
  std::filesystem::path last() const { return checkpoints() / "last.safetensors"; }
  std::filesystem::path best() const { return checkpoints() / "best.safetensors"; }

  // Throws Error when the folder was deleted or moved: nothing of it is to come back in parts. All
  // that save ask this themselves; others that write into the folder ask before.
  void CheckStillThere() const;

  // Whether a training was started here.
  bool HoldsRun() const;
  // The checkpoint to go on from: last, or the newest step_ one where last is missing or damaged
  // (with a warning); brought to this version (MigrateTraining). Throws Error when none can be
  // read.
  Checkpoint LoadNewest(const Listener& warn) const;

  // The newest sound step_ checkpoint of `step` or before; null when there is none.
  std::optional<Checkpoint> LoadStep(std::int64_t step, const Listener& warn) const;

  void SaveLast(const Checkpoint& checkpoint) const;
  void SaveBest(const Checkpoint& checkpoint) const;
  // Copies last to step_NNNNNN and removes all but the newest `keep` of these. A copy, not a link:
  // it is there for the case that last gets damaged.
  void KeepStep(std::int64_t step, int keep) const;

 private:
  std::filesystem::path checkpoints() const { return root_ / "checkpoints"; }
  // (step, path), newest first.
  std::vector<std::pair<std::int64_t, std::filesystem::path>> StepCheckpoints() const;
  std::filesystem::path root_;
  std::optional<FolderLock> lock_;
};

}  // namespace stemsmith
