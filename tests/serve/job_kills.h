// Workers in processes of their own that are killed at random moments.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "core/files.h"
#include "core/random.h"
#include "serve/jobs/job_store.h"

namespace stemsmith::testing {

inline pid_t StartWorker(const std::string& url, const std::string& name, const std::string& file) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(STEMSMITH_BIN_DIR "/job_worker", "job_worker", url.c_str(), name.c_str(), file.c_str(),
          nullptr);
    _exit(127);
  }
  return child;
}

// Gives `store` jobs, and lets three workers do them, one of which is killed and replaced every few
// milliseconds, `kills` times; `each` is called with the number of the kill. At the end every job
// is done, and none was finished twice.
inline void KillWorkers(JobStore& store, const std::string& url, int jobs, int kills,
                        const std::filesystem::path& finished_file, std::uint64_t seed,
                        const std::function<void(int)>& each = [](int) {}) {
  StoredSong song;
  song.id = "song";
  store.AddSong(song);
  for (int i = 0; i < jobs; ++i) {
    const std::string id = "job" + std::to_string(i);
    StoredJob job;
    ASSERT_EQ(store.Submit({id, "song", id, "m", "{}", id}, jobs, job), JobStore::Submission::kNew);
  }
  int started = 0;
  const auto start = [&] {
    return StartWorker(url, "worker" + std::to_string(started++), finished_file.string());
  };
  pid_t workers[] = {start(), start(), start()};
  RandomStream random({seed});
  std::map<std::string, std::pair<std::int64_t, std::chrono::steady_clock::time_point>> beats;
  // As serving does it: owners that give no sign for a while lose their jobs.
  const auto take_away = [&] {
    JobFilter running;
    running.state = JobState::kRunning;
    const auto now = std::chrono::steady_clock::now();
    for (const StoredJob& job : store.List(running)) {
      auto& [beat, since] = beats[job.id];
      if (beat != job.beat) beat = job.beat, since = now;
      if (now - since > std::chrono::milliseconds(300)) store.TakeAway(job.id, beat);
    }
  };
  for (int kill_number = 0; kill_number < kills; ++kill_number) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.Below(60)));
    pid_t& worker = workers[random.Below(3)];
    kill(worker, SIGKILL);
    waitpid(worker, nullptr, 0);
    worker = start();
    each(kill_number);
    take_away();
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (store.Figures().done < jobs && std::chrono::steady_clock::now() < end) {
    take_away();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (const pid_t worker : workers) {
    EXPECT_EQ(waitpid(worker, nullptr, WNOHANG), 0) << "a worker ended by itself";
    kill(worker, SIGKILL);
    waitpid(worker, nullptr, 0);
  }
  EXPECT_EQ(store.Figures().done, jobs);
  std::istringstream lines(ReadFile(finished_file));
  std::multiset<std::string> finished;
  for (std::string line; std::getline(lines, line);) finished.insert(line);
  for (int i = 0; i < jobs; ++i) EXPECT_LE(finished.count("job" + std::to_string(i)), 1u) << i;
  EXPECT_GE(finished.size() + static_cast<std::size_t>(kills), static_cast<std::size_t>(jobs));
}

}  // namespace stemsmith::testing
