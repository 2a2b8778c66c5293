// Tells listeners what becomes of jobs: looks at the store, whoever changes it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/host.h"
#include "serve/http/server.h"
#include "serve/jobs/job_store.h"

namespace stemsmith {

class JobEvents {
 public:
  // `server` is asked for channels once Start() is called.
  JobEvents(JobStore& store, Listener log);
  ~JobEvents();
  void Start(HttpServer& server);
  void Stop();

  std::shared_ptr<EventChannel> All();
  std::shared_ptr<EventChannel> Of(const std::string& job);
  void Removed(const std::string& job);
  // Below 0: not known. As long as the work on the rest takes if it goes on as since it was first
  // seen.
  double SecondsLeft(const StoredJob& job);

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    int attempt;
    double progress;
    Clock::time_point when;
  };
  void Run();
  void Look(std::int64_t& revision);
  void Send(const StoredJob& job);

  JobStore& store_;
  const Listener log_;
  HttpServer* server_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::shared_ptr<EventChannel> all_;
  std::map<std::string, std::weak_ptr<EventChannel>> channels_;
  std::map<std::string, Seen> seen_;  // of running jobs
  std::thread thread_;
};

}  // namespace stemsmith
