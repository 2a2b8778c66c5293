// Those who do jobs: threads that take one after another from the store and run `separate` on it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/host.h"
#include "serve/data_folder.h"
#include "serve/job_limits.h"
#include "serve/jobs/job_store.h"
#include "serve/programs.h"
#include "serve/served_models.h"

namespace stemsmith {

// What all parts of the web app work with; whoever makes it keeps it.
struct ServeParts {
  JobLimits limits;
  DataFolder data;
  JobStore& store;
  const Programs& programs;
  std::unique_ptr<ServedModels> models;
  Listener log;
};

// The files of a job that is done.
std::filesystem::path StemsFolder(const DataFolder& data, const StoredJob& job);

class Workers {
 public:
  // `options` go to `separate`: --device, --threads and the like. Nothing is taken away from others
  // before they were silent for `patience`.
  Workers(ServeParts& parts, int count, std::vector<std::string> options,
          std::chrono::seconds patience);
  ~Workers();  // as Stop()

  // There may be a new job, or one to be cancelled.
  void Wake();
  // Gives back what is in work.
  void Stop();
  int count() const { return static_cast<int>(threads_.size()); }

 private:
  void Run(const std::string& name);
  void Work(const StoredJob& job, const std::string& worker);
  Programs::Separation Separate(const StoredJob& job, const nlohmann::json& request,
                                const std::filesystem::path& folder,
                                const std::function<bool(double share)>& beat);
  // Gives jobs of silent owners back to the queue. Their beats are watched by this machine's steady
  // clock: no two clocks are compared.
  void WatchOthers(std::chrono::seconds patience);

  ServeParts& parts_;
  const std::vector<std::string> options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::int64_t woken_ = 0;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
  std::thread watcher_;
};

}  // namespace stemsmith
