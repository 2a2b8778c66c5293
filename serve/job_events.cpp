#include "serve/job_events.h"

#include "serve/job_json.h"

namespace stemsmith {

namespace {
constexpr std::chrono::milliseconds kBetweenLooks{250};
constexpr int kAtOnce = 200;
}  // namespace

JobEvents::JobEvents(JobStore& store, Listener log) : store_(store), log_(std::move(log)) {}

JobEvents::~JobEvents() { Stop(); }

void JobEvents::Start(HttpServer& server) {
  server_ = &server;
  all_ = server.MakeEventChannel();
  thread_ = std::thread([this] { Run(); });
}

void JobEvents::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<EventChannel> JobEvents::All() { return all_; }

std::shared_ptr<EventChannel> JobEvents::Of(const std::string& job) {
  const std::lock_guard lock(mutex_);
  std::erase_if(channels_, [](const auto& row) { return row.second.expired(); });
  std::shared_ptr<EventChannel> channel = channels_[job].lock();
  if (!channel) channels_[job] = channel = server_->MakeEventChannel();
  return channel;
}

void JobEvents::Removed(const std::string& job) {
  std::shared_ptr<EventChannel> channel;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = channels_.find(job); found != channels_.end())
      channel = found->second.lock();
  }
  const std::string data = nlohmann::json{{"id", job}}.dump();
  all_->Send("removed", data);
  if (channel) channel->Send("removed", data);
}

double JobEvents::SecondsLeft(const StoredJob& job) {
  const std::lock_guard lock(mutex_);
  if (job.state != JobState::kRunning) {
    seen_.erase(job.id);
    return -1;
  }
  const auto now = Clock::now();
  const auto found = seen_.find(job.id);
  if (found == seen_.end() || found->second.attempt != job.attempts || job.progress <= 0) {
    seen_[job.id] = {job.attempts, job.progress, now};
    return -1;
  }
  const double done = job.progress - found->second.progress;
  const double seconds = std::chrono::duration<double>(now - found->second.when).count();
  return done > 0 ? seconds / done * (1 - job.progress) : -1;
}

void JobEvents::Send(const StoredJob& job) {
  const std::string data =
      JobJson(job, SecondsLeft(job)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  all_->Send("job", data);
  std::shared_ptr<EventChannel> channel;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = channels_.find(job.id); found != channels_.end())
      channel = found->second.lock();
  }
  if (channel) channel->Send("job", data);
}

void JobEvents::Look(std::int64_t& revision) {
  bool queue_moved = false;
  while (true) {
    const std::vector<StoredJob> changed = store_.ChangedSince(revision, kAtOnce);
    for (const StoredJob& job : changed) {
      Send(job);
      revision = job.revision;
      queue_moved |= job.state != JobState::kQueued && job.progress == 0;
      queue_moved |= job.state == JobState::kCancelled;
    }
    if (changed.size() < kAtOnce) break;
  }
  // Places of those who wait are no change of theirs.
  if (queue_moved)
    for (const StoredJob& job : store_.List({.search = {}, .state = JobState::kQueued, .limit = 50}))
      Send(job);
}

void JobEvents::Run() {
  std::int64_t revision = -1;
  while (true) {
    try {
      if (revision < 0) revision = store_.Revision();
      Look(revision);
    } catch (const std::exception& error) {
      Tell(log_, error.what());
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kBetweenLooks, [this] { return stop_; })) return;
  }
}

}  // namespace stemsmith
