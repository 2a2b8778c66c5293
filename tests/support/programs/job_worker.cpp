// job_worker DATABASE NAME FINISHED: takes jobs until it is killed, and appends the id of each that
// it finished to a file. Some it fails to end, gives back, or loses in a crash, as NAME's hash and
// the number of the job have it.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>

#include "core/error.h"
#include "serve/jobs/job_store.h"

namespace {

using namespace stemsmith;

void Work(JobStore& store, const StoredJob& job, const std::string& worker, int finished) {
  const auto pause = std::chrono::milliseconds(1 + job.number % 7);
  for (int step = 1; step <= 3; ++step) {
    std::this_thread::sleep_for(pause);
    if (store.Beat(job.id, worker, step / 4.0) != JobStore::Order::kGoOn) return;
  }
  if (job.attempts == 1 && job.number % 5 == 0) {
    store.GiveBack(job.id, worker);
  } else if (job.attempts <= 2 && job.number % 7 == 0) {
    store.Crash(job.id, worker, 3, "crashed");
  } else if (store.Finish(job.id, worker, "{\"by\": \"" + worker + "\"}", 10)) {
    const std::string line = job.id + "\n";
    if (write(finished, line.data(), line.size()) < 0) std::perror("write");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string worker = argv[2];
  const int finished = open(argv[3], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  try {
    const auto store = OpenJobStore(argv[1]);
    for (;;) {
      if (const auto job = store->Take(worker))
        Work(*store, *job, worker, finished);
      else
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n", worker.c_str(), error.what());
    return 1;
  }
}
