// Keeps runs of `prepare` on one cache out of each other's way, in one process or several, on one
// machine or (where the file system passes flock on) many.
#pragma once

#include <filesystem>

#include "datasets/prepare/options.h"

namespace stemsmith {

// Held while a cache is prepared. Shards work side by side, each of them once; a run that is no
// shard works alone. File systems without flock go without.
class PrepareLock {
 public:
  // Throws Error when another run is at work, or the folder cannot be written.
  PrepareLock(const std::filesystem::path& folder, const PrepareShard& shard);
  ~PrepareLock();
  PrepareLock(const PrepareLock&) = delete;
  PrepareLock& operator=(const PrepareLock&) = delete;

  // Whether a file of the folder is one of these locks.
  static bool IsLock(const std::filesystem::path& file);
  // Of shards that were at work; only a run that works alone may do this.
  static void RemoveShardLocks(const std::filesystem::path& folder);

 private:
  int all_ = -1, own_ = -1;  // files
};

}  // namespace stemsmith
