#include "serve/cleaner.h"

#include <chrono>

#include "core/error.h"

namespace stemsmith {

namespace {
constexpr std::chrono::seconds kBetween{30};
constexpr double kUnusedSongSeconds = 3600;  // of service
constexpr int kAtOnce = 200;
}  // namespace

Cleaner::Cleaner(ServeParts& parts, Api& api) : parts_(parts), api_(api) {
  thread_ = std::thread([this] { Run(); });
}

Cleaner::~Cleaner() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

void Cleaner::Run() {
  using Clock = std::chrono::steady_clock;
  auto last = Clock::now();
  while (true) {
    try {
      const auto now = Clock::now();
      const double served =
          parts_.store.ServedSeconds(std::chrono::duration<double>(now - last).count());
      last = now;
      Clean(served);
    } catch (const std::exception& error) {
      Tell(parts_.log, error.what());
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kBetween, [this] { return stop_; })) return;
  }
}

void Cleaner::Clean(double served_s) {
  api_.CleanUploads(served_s);
  for (const StoredSong& song : parts_.store.UnusedSongs(kUnusedSongSeconds))
    api_.RemoveSong(song.id);
  // Oldest last: pages of the list are gone through to its end.
  std::vector<StoredJob> ended;
  JobFilter filter{.search = {}, .limit = kAtOnce};
  while (true) {
    const std::vector<StoredJob> page = parts_.store.List(filter);
    for (const StoredJob& job : page)
      if (job.state != JobState::kQueued && job.state != JobState::kRunning) ended.push_back(job);
    if (page.size() < kAtOnce) break;
    filter.before = page.back().number;
  }
  std::int64_t bytes = BytesIn(parts_.data.path());  // what was made of stems, too
  const double oldest = served_s - parts_.limits.keep_days * 86400;
  for (auto job = ended.rbegin(); job != ended.rend(); ++job) {
    const bool old = job->finished_served_s < oldest;
    const bool too_much = bytes > parts_.limits.keep_bytes;
    if (!old && !too_much) continue;
    if (api_.RemoveJob(*job) && bytes > parts_.limits.keep_bytes)
      bytes = BytesIn(parts_.data.path());
  }
}

}  // namespace stemsmith
