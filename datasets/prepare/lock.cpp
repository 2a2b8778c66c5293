#include "datasets/prepare/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "core/error.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kLockName[] = ".lock";
constexpr char kShardLockPrefix[] = ".lock-shard-";

// -1 where another holds it.
int Lock(const fs::path& file, int kind) {
  const int number = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (number < 0) {
    throw Error::System("cannot write here", file.parent_path().string(),
                        "choose a folder that this user may write");
  }
  if (flock(number, kind | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(number);
    return -1;
  }
  return number;
}

}  // namespace

PrepareLock::PrepareLock(const fs::path& folder, const PrepareShard& shard) {
  all_ = Lock(folder / kLockName, shard.all() ? LOCK_EX : LOCK_SH);
  if (all_ < 0) {
    throw Error::Input("another run is preparing this cache", folder.string(),
                       "wait until it has finished");
  }
  if (shard.all()) return;
  own_ = Lock(folder / (kShardLockPrefix + std::to_string(shard.number) + "-of-" +
                        std::to_string(shard.count)),
              LOCK_EX);
  if (own_ < 0) {
    close(all_);
    throw Error::Input("another run is preparing shard " + shard.Text() + " of this cache",
                       folder.string(), "give each run a shard of its own");
  }
}

PrepareLock::~PrepareLock() {
  if (own_ >= 0) close(own_);
  close(all_);
}

bool PrepareLock::IsLock(const fs::path& file) {
  const std::string name = file.filename().string();
  return name == kLockName || name.starts_with(kShardLockPrefix);
}

void PrepareLock::RemoveShardLocks(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> locks;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (it->path().filename().string().starts_with(kShardLockPrefix)) locks.push_back(it->path());
  }
  for (const fs::path& lock : locks) fs::remove(lock, ignored);
}

}  // namespace stemsmith
