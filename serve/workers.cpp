#include "serve/workers.h"

#include <unistd.h>

#include "core/error.h"
#include "core/json_fields.h"
#include "core/text.h"
#include "serve/http/upload_file.h"
#include "serve/job_request.h"

namespace stemsmith {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kBetweenLooks{1};  // for jobs that other processes have queued

std::string AttemptName(int attempt) { return "attempt-" + std::to_string(attempt); }

// Not that of another process on any machine.
std::string WorkerName(int number) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return Formatted("%s-%d-%s-%d", host, getpid(), NewId().substr(0, 8).c_str(), number);
}

}  // namespace

fs::path StemsFolder(const DataFolder& data, const StoredJob& job) {
  const nlohmann::json result = ParseJson(job.result);
  return data.Job(job.id) / (result.is_object() ? result.value("folder", "") : "");
}

Workers::Workers(ServeParts& parts, int count, std::vector<std::string> options,
                 std::chrono::seconds patience)
    : parts_(parts), options_(std::move(options)) {
  for (int i = 0; i < count; ++i) threads_.emplace_back([this, i] { Run(WorkerName(i)); });
  watcher_ = std::thread([this, patience] { WatchOthers(patience); });
}

Workers::~Workers() { Stop(); }

void Workers::Wake() {
  const std::lock_guard lock(mutex_);
  ++woken_;
  wake_.notify_all();
}

void Workers::Stop() {
  stop_ = true;
  Wake();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
  if (watcher_.joinable()) watcher_.join();
}

void Workers::Run(const std::string& name) {
  while (!stop_) {
    std::int64_t seen;
    {
      const std::lock_guard lock(mutex_);
      seen = woken_;
    }
    std::optional<StoredJob> job;
    try {
      job = parts_.store.Take(name);
      if (job) Work(*job, name);
    } catch (const std::exception& error) {
      Tell(parts_.log, error.what());
      job.reset();
    }
    if (job || stop_) continue;
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kBetweenLooks, [&] { return stop_ || woken_ != seen; });
  }
}

Programs::Separation Workers::Separate(const StoredJob& job, const nlohmann::json& request,
                                       const fs::path& folder,
                                       const std::function<bool(double share)>& beat) {
  try {
    fs::remove_all(folder);
    fs::create_directories(folder);
    const ServedModel model = parts_.models->Find(job.model);
    if (model.fingerprint != request.value("fingerprint", ""))
      throw Error::Input("the model '" + job.model + "' is another one by now", "",
                         "separate the song again");
    std::vector<std::string> arguments = {model.file.string(),
                                          parts_.data.Source(job.song).string(),
                                          "--out=" + folder.string(),
                                          "--name={stem}.{ext}",
                                          "--format=wav",
                                          "--bits=32f",
                                          "--clip=none"};
    for (const std::string& option : JobRequest::FromJson(request).Options())
      arguments.push_back(option);
    arguments.insert(arguments.end(), options_.begin(), options_.end());
    return parts_.programs.Separate(arguments, beat);
  } catch (const std::exception& error) {
    return {.end = Programs::End::kFailed, .message = error.what(), .song = nullptr};
  }
}

void Workers::Work(const StoredJob& job, const std::string& worker) {
  JobStore& store = parts_.store;
  // Each attempt has a folder of its own: of two owners, one believed dead, neither disturbs the
  // other.
  const fs::path folder = parts_.data.Job(job.id) / AttemptName(job.attempts);
  JobStore::Order order = JobStore::Order::kGoOn;
  const auto beat = [&](double share) {
    if (stop_) return false;
    try {
      order = store.Beat(job.id, worker, share);
    } catch (const Error& error) {  // the database may come back; if not, others take the job
      Tell(parts_.log, error.what());
    }
    return order == JobStore::Order::kGoOn;
  };
  const nlohmann::json request = ParseJson(job.request);
  const Programs::Separation separation = Separate(job, request, folder, beat);
  // Where the store fails from here on, somebody takes the job again, or it is done: the folder
  // stays.
  if (separation.end == Programs::End::kDone) {
    const nlohmann::json& song = separation.song;
    const nlohmann::json result = {
        {"folder", AttemptName(job.attempts)},
        {"stems", request.at("files")},
        {"seconds",
         song.at("frames").get<double>() / song.at("sample_rate_hz").get<double>()},
        {"sample_rate_hz", song.at("sample_rate_hz")},
        {"channels", song.at("channels")}};
    for (const fs::path& changed : {parts_.data.Job(job.id), parts_.data.Jobs()})
      FlushFolder(changed);
    if (store.Finish(job.id, worker, result.dump(), BytesIn(folder))) {
      std::error_code code;  // of attempts whose process was lost
      for (int i = 1; i < job.attempts; ++i)
        fs::remove_all(parts_.data.Job(job.id) / AttemptName(i), code);
      return;
    }
  } else if (separation.end == Programs::End::kFailed) {
    store.Fail(job.id, worker, separation.message);
  } else if (separation.end == Programs::End::kCrashed) {
    store.Crash(job.id, worker, parts_.limits.most_crashes, separation.message);
  } else if (order == JobStore::Order::kCancel) {
    store.EndCancelled(job.id, worker);
  } else {
    store.GiveBack(job.id, worker);
  }
  std::error_code code;
  fs::remove_all(folder, code);
}

void Workers::WatchOthers(std::chrono::seconds patience) {
  struct Seen {
    std::int64_t beat;
    Clock::time_point since;
  };
  std::map<std::string, Seen> seen;
  while (!stop_) {
    try {
      std::map<std::string, Seen> now;
      for (const StoredJob& job :
           parts_.store.List({.search = {}, .state = JobState::kRunning, .limit = 10'000})) {
        const auto before = seen.find(job.id);
        const bool silent = before != seen.end() && before->second.beat == job.beat;
        now[job.id] = {job.beat, silent ? before->second.since : Clock::now()};
        if (silent && Clock::now() - now[job.id].since > patience &&
            parts_.store.TakeAway(job.id, job.beat)) {
          Tell(parts_.log, "job " + job.id + " of " + job.worker +
                               ", which is silent, is queued again");
          Wake();
        }
      }
      seen = std::move(now);
    } catch (const std::exception& error) {
      Tell(parts_.log, error.what());
      seen.clear();  // nobody could show a sign of life meanwhile
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kBetweenLooks, [&] { return stop_.load(); });
  }
}

}  // namespace stemsmith
